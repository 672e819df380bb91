"""What is said of simulations: a text table, a JSON document, a page with plots. Nothing here simulates."""
