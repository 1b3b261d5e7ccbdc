"""The stateless playbook server: classify, retrieve, validate, assess, answer. Nothing is kept between requests."""
