package signature

default allow = false

allow {
  startswith(input.predicate.buildDefinition.externalParameters.source, "git+https://git.example.com/shop")
}
