defmodule Offheap.StoreDuplicateBagPropertyTest do
  @moduledoc "Tables of type duplicate_bag and ETS's, given the same commands, answer the same."
  use ExUnit.Case, async: true

  # A soak run (PROPER_TESTS) takes as long as it takes.
  @moduletag timeout: if(System.get_env("PROPER_TESTS"), do: :infinity, else: 600_000)

  import Offheap.Property
  alias Offheap.StoreOracle

  for keypos <- 1..2 do
    test "any sequence of commands on tables with the key at #{keypos}" do
      keypos = unquote(keypos)
      commands = StoreOracle.commands(:duplicate_bag, keypos)
      check(forall(commands, &StoreOracle.same_answers?(:duplicate_bag, keypos, &1)), tests: 150)
    end
  end

  test "long sequences on few keys" do
    commands = StoreOracle.long_commands(:duplicate_bag, 250)
    check(forall(commands, &StoreOracle.same_answers?(:duplicate_bag, 1, &1)), tests: 25)
  end
end
