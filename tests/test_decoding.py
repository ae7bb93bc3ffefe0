"""Beam search and sampling against enumeration, on tables small enough to count out."""

import itertools

import pytest
import torch

from captioner.decoding import beam_search, sample
from captioner.options import DecodingOptions

WORDS, START, END = 4, 0, 3  # two real words, 1 and 2


def markov_table(seed, rows=1):
    """log P(next | last), one table a picture: (P, 4, 4)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, WORDS, WORDS, generator=generator).mul(2).log_softmax(-1)


def markov_step(tables):
    """The state counts the words said, so that a wrong reordering shows in what is kept."""

    def step(last, state):
        picture = torch.arange(len(last)) // (len(last) // len(tables))
        seen = torch.cat([state[:, 1:], last[:, None].float()], dim=1)
        return tables[picture, last], seen, (seen, last[:, None].float())

    return step


def enumerate_captions(table, options):
    """Every caption of 1 to max_length words with its log probability and score, best first."""
    found = []
    for length in range(1, options.max_length + 1):
        for words in itertools.product([1, 2], repeat=length):
            path = [START, *words, END]
            log_prob = sum(table[a, b].item() for a, b in itertools.pairwise(path))
            found.append((words, log_prob, log_prob / (length + 1) ** options.length_penalty))
    return sorted(found, key=lambda caption: -caption[2])


def search(tables, **changes):
    options = DecodingOptions(**{"beam_size": 4**4, "max_length": 3, **changes})
    state = torch.zeros(len(tables), 3)
    return options, beam_search(
        markov_step(tables),
        state,
        start=START,
        end=END,
        options=options,
        pictures=len(tables),
        banned=[START],
    )


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_very_wide_beam_equals_exhaustive_search(seed, length_penalty):
    tables = markov_table(seed, rows=3)
    options, results = search(tables, length_penalty=length_penalty)
    for table, hypotheses in zip(tables, results, strict=True):
        expected = enumerate_captions(table, options)
        assert len(hypotheses) == len(expected) == 14
        for hypothesis, (_, log_prob, score) in zip(hypotheses, expected, strict=True):
            assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-5)
            assert hypothesis.score == pytest.approx(score, abs=1e-5)
        assert hypotheses[0].tokens == expected[0][0]


@pytest.mark.parametrize("seed", range(300))
def test_width_one_is_greedy(seed):
    table = markov_table(seed)[0]
    last, words = START, []
    while len(words) < 3:
        scores = table[last].clone()
        scores[START] = -torch.inf
        if not words:
            scores[END] = -torch.inf
        last = int(scores.argmax())
        if last == END:
            break
        words.append(last)
    _, results = search(table[None], beam_size=1, length_penalty=0.7)
    assert results[0][0].tokens == tuple(words)
    assert len(results[0]) == 1


def test_what_is_kept_belongs_to_the_words_of_the_caption():
    _, results = search(markov_table(3, rows=4), beam_size=3)
    for hypothesis in itertools.chain(*results):
        seen, last = hypothesis.kept
        before = [START, *hypothesis.tokens[:-1]]
        assert last.flatten().tolist() == before
        for t, row in enumerate(seen.tolist()):
            assert row == ([0.0] * 3 + [float(w) for w in before[: t + 1]])[-3:]


def test_word_log_probs_and_the_end_add_up():
    tables = markov_table(1)
    _, results = search(tables, beam_size=3)
    for hypothesis in results[0]:
        path = itertools.pairwise([START, *hypothesis.tokens])
        assert hypothesis.log_probs == pytest.approx([tables[0, a, b].item() for a, b in path])
        end = tables[0, hypothesis.tokens[-1], END].item()
        assert hypothesis.log_prob == pytest.approx(sum(hypothesis.log_probs) + end, abs=1e-5)


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_a_picture_gets_the_same_captions_alone_and_in_a_batch(beam_size):
    tables = markov_table(7, rows=6)
    _, together = search(tables, beam_size=beam_size, max_length=6)
    alone = [search(table[None], beam_size=beam_size, max_length=6)[1][0] for table in tables]
    assert [[h.tokens for h in found] for found in together] == [
        [h.tokens for h in found] for found in alone
    ]


def test_considered_words_are_the_likeliest_of_that_step():
    tables = markov_table(2)
    _, results = search(tables, beam_size=2, considered=2)
    hypothesis = results[0][0]
    for before, considered in zip([START, *hypothesis.tokens], hypothesis.considered):
        best = tables[0, before].topk(2)
        assert [word for word, _ in considered] == best.indices.tolist()
        assert [p for _, p in considered] == pytest.approx(best.values.tolist())


def test_it_ends_when_the_model_never_ends():
    table = torch.full((1, WORDS, WORDS), -1.0)
    table[:, :, END] = -torch.inf
    _, results = search(table, beam_size=2, max_length=5)
    assert results[0] and all(len(h.tokens) == 5 for h in results[0])


def test_it_says_a_word_when_the_model_wants_to_say_nothing():
    table = torch.full((1, WORDS, WORDS), -torch.inf)
    table[:, :, END] = 0.0
    _, results = search(table, beam_size=2)
    assert all(len(h.tokens) >= 1 for h in results[0])


def test_banned_words_are_never_said_however_likely():
    table = markov_table(0)
    table[:, :, 1] = 5.0
    options = DecodingOptions(beam_size=20, max_length=4)
    found = beam_search(
        markov_step(table),
        torch.zeros(1, 3),
        start=START,
        end=END,
        options=options,
        banned=[START, 1],
    )[0]
    assert found and all(set(h.tokens) == {2} for h in found)


def test_a_prefix_opens_every_caption():
    options = DecodingOptions(beam_size=20, max_length=4)
    found = beam_search(
        markov_step(markov_table(4)),
        torch.zeros(1, 3),
        start=START,
        end=END,
        options=options,
        banned=[START],
        prefix=[2, 1],
    )[0]
    assert {h.tokens[:2] for h in found} == {(2, 1)}
    assert {len(h.tokens) for h in found} == {2, 3, 4}


def test_samples_follow_the_probabilities():
    tables = markov_table(5)
    rows = 20_000
    options = DecodingOptions(max_length=2)
    found = sample(
        markov_step(tables),
        torch.zeros(rows, 3),
        start=START,
        end=END,
        options=options,
        rows=rows,
        banned=[START],
        generator=torch.Generator().manual_seed(0),
    )
    first = tables[0, START].exp()
    share = sum(h.tokens[0] == 1 for h in found) / rows
    assert share == pytest.approx((first[1] / (first[1] + first[2])).item(), abs=0.015)
    for hypothesis in found[:50]:
        path = itertools.pairwise([START, *hypothesis.tokens, END])
        assert hypothesis.log_prob == pytest.approx(
            sum(tables[0, a, b].item() for a, b in path), abs=1e-5
        )
        assert len(hypothesis.kept[0]) == len(hypothesis.tokens)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam_size": 0}, "beam_size must be from 1 to 1000, not 0"),
        ({"beam_size": 10**6}, "beam_size must be from 1 to 1000, not 1000000"),
        ({"max_length": -3}, "max_length must be from 1 to 1000, not -3"),
        ({"length_penalty": -1.0}, "length_penalty must be from 0 to 10, not -1.0"),
        ({"length_penalty": float("nan")}, "length_penalty must be from 0 to 10, not nan"),
        ({"considered": -1}, "considered must be from 0 to 1000, not -1"),
    ],
)
def test_impossible_options_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DecodingOptions(**change)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [([1] * 5, "a prefix of 5 words is longer than 3"), ([1, END], "a prefix can't hold the end")],
)
def test_impossible_prefixes_are_refused(prefix, message):
    with pytest.raises(ValueError, match=message):
        beam_search(
            markov_step(markov_table(0)),
            torch.zeros(1, 3),
            start=START,
            end=END,
            options=DecodingOptions(max_length=3),
            prefix=prefix,
        )


def test_probabilities_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="no caption has a probability"):
        search(torch.full((1, WORDS, WORDS), torch.nan))


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="temperature must be above 0, not 0"):
        sample(
            markov_step(markov_table(0)),
            torch.zeros(1, 3),
            start=START,
            end=END,
            options=DecodingOptions(),
            rows=1,
            temperature=0,
        )
