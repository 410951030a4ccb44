# The scenarios under Benchee, from this folder: BENCHEE=1 mix do deps.get, run benchee.exs [TEXT]
#
# One Benchee job a side: 1000 operations a call, so that the call itself does not count.
operations = 1000

for s <- Offheap.Bench.scenarios(List.first(System.argv()) || ""), s.kind == :loop do
  {ours, theirs} = states = if s.setup, do: s.setup.(), else: {nil, nil}

  job = fn fun, state ->
    if is_function(fun, 3),
      do: fn -> fun.(state, operations, 1) end,
      else: fn -> fun.(state, operations) end
  end

  Benchee.run(
    %{"Offheap" => job.(s.ours, ours), s.peer => job.(s.theirs, theirs)},
    title: "#{Offheap.Bench.title(s)}, #{operations} operations",
    parallel: s.parallel,
    warmup: 1,
    time: 3,
    print: [fast_warning: false]
  )

  if s.teardown, do: s.teardown.(states)
end
