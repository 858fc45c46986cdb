"""httpfast inside other people's frameworks, a module each. httpfast itself imports none of them."""
