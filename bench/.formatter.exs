[
  inputs: ["*.exs", "{lib,scenarios}/**/*.{ex,exs}"],
  line_length: 98,
  locals_without_parens: [defloop: 2]
]
