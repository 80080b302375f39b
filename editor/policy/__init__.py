"""What a policy file says: model, parsing, lossless document, variables, resolving, deciding."""
