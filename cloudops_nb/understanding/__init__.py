"""Pure language, used on both sides of the wire: vocabulary, tokens, typed values, intent, environment words."""
