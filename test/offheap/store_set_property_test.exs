defmodule Offheap.StoreSetPropertyTest do
  @moduledoc "Tables of types set and ordered_set and ETS's, given the same commands, answer the same."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Offheap.Property
  alias Offheap.StoreOracle

  for type <- [:set, :ordered_set] do
    for keypos <- 1..2 do
      test "any sequence of commands, #{type}, with the key at #{keypos}" do
        commands = StoreOracle.commands(unquote(type), unquote(keypos))

        check(
          forall(commands, &StoreOracle.same_answers?(unquote(type), unquote(keypos), &1)),
          tests: 100
        )
      end
    end

    test "long sequences on few keys, #{type}" do
      commands = StoreOracle.long_commands(unquote(type), 250)
      check(forall(commands, &StoreOracle.same_answers?(unquote(type), 1, &1)), tests: 15)
    end
  end
end
