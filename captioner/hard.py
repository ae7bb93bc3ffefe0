"""Hard attention: one location, drawn, and learnt by trial. Letters as in `looking`."""

import torch
from torch import Tensor
from torch.nn import functional as F

from captioner.looking import SoftAttention, precise


class HardAttention(SoftAttention):
    """Looks at one location, drawn from alpha (Xu et al. 2015, section 4.1).

    alpha = softmax(e),  s ~ Multinoulli(alpha),  z = sum_i s_i a_i

    A draw has no gradient: the location is learnt by REINFORCE (eq. 10-11), with what the authors
    published to keep its variance low; the sum is taken with alpha in half of the looks, drawn for
    each word rather than for each picture. As in their code, a caption is worth its mean log
    probability: a sum would reward short ones. In self-critical training it looks at the likeliest
    location, and its energies learn from boxes alone.
    """

    recurrent_only = "its draws teach it by a loss of its own, which the transformer does not use"
    draws = True
    semi_sampling = 0.5  # how often the sum is taken with alpha, not with the draw
    reinforce_weight = 1.0
    entropy_weight = 0.002
    baseline_decay = 0.9

    def __init__(self, **sizes: object) -> None:
        super().__init__(**sizes)
        # The moving average of what captions are worth, and the sum of its weights: 1 after many
        # batches.
        self.register_buffer("baseline", torch.tensor(0.0))
        self.register_buffer("baseline_weight", torch.tensor(0.0))

    def select(self, alpha: Tensor) -> Tensor:
        """One-hot (P, K, L): drawn in training, the likeliest else, so captions are repeatable."""
        if not self.training:
            return F.one_hot(alpha.argmax(-1), alpha.shape[-1]).to(alpha.dtype)
        # A broken alpha is found by its gradient; here it must only not end the program.
        chances = alpha.detach().nan_to_num(nan=1.0).flatten(0, 1)
        drawn = torch.multinomial(chances, 1).view(alpha.shape[:-1])
        drawn = F.one_hot(drawn, alpha.shape[-1]).to(alpha.dtype)
        expected = torch.rand(drawn.shape[:-1] + (1,), device=alpha.device) < self.semi_sampling
        return torch.where(expected, alpha, drawn)

    def extra_loss(
        self, logits: Tensor, targets: Tensor, alphas: Tensor, selections: Tensor, real: Tensor
    ) -> Tensor:
        """-lambda_r (log p(y | s, a) - b) log p(s | a) - lambda_e H(s), summed over captions.

        Arguments as in `Attention.extra_loss`. Where the sum was taken with alpha, the gradient of
        sum_i s_i log alpha_i is zero by itself.
        """
        captions = real.any(dim=1)
        if not self.training or not captions.any():
            return logits.new_zeros(())
        said = -F.cross_entropy(precise(logits.detach()), targets, reduction="none")
        totals = torch.zeros(real.shape, dtype=said.dtype, device=said.device)
        totals = totals.masked_scatter(real, said).sum(1)
        worth = totals / real.sum(1).clamp_min(1)  # (B,), nats a word
        advantage = (worth - self._follow(worth[captions].mean())) * captions
        log_alphas = alphas.clamp_min(1e-12).log()
        drawn = ((selections.detach() * log_alphas).sum(-1) * real).sum(1)  # (B,)
        entropy = (-(alphas * log_alphas).sum(-1) * real).sum()
        return -self.reinforce_weight * (advantage * drawn).sum() - self.entropy_weight * entropy

    def _follow(self, mean: Tensor) -> Tensor:
        """The baseline so far, which then moves towards the mean of this batch."""
        begun = self.baseline_weight > 0
        before = torch.where(begun, self.baseline / self.baseline_weight.clamp_min(1e-6), mean)
        self.baseline.lerp_(mean.to(self.baseline.dtype), 1 - self.baseline_decay)
        self.baseline_weight.lerp_(torch.ones_like(self.baseline), 1 - self.baseline_decay)
        return before
