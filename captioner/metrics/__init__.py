"""The scores of the field, on tokens. Knows no torch and no model."""
