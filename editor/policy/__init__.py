"""Policy files: model, parsing, positions, variables, composition."""
