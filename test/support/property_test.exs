defmodule Offheap.PropertyTest do
  @moduledoc "A property that fails says what failed, in short, and soon."
  use ExUnit.Case, async: true

  import Offheap.Property
  import :proper_types, only: [integer: 0, list: 1, exactly: 1]

  defp message(property) do
    assert_raise(ExUnit.AssertionError, fn -> check(property) end).message
  end

  test "a list is cut down to the part that fails" do
    text = message(forall(list(integer()), fn l -> Enum.all?(l, &(&1 < 5)) end))
    assert [_, _] = Regex.run(~r/\[(\d+)\]\n\nreturned false/, text)
  end

  test "what is needed together stays" do
    commands = exactly(Enum.to_list(1..1000))
    assert message(forall(commands, fn l -> not (3 in l and 900 in l) end)) =~ "[3, 900]"
  end

  test "an improper list is shown as it is" do
    assert message(forall(exactly([1, 2 | :tail]), fn _ -> false end)) =~ "[1, 2 | :tail]"
  end

  test "an exception is a failure, and its text is shown" do
    assert message(forall(integer(), fn _ -> raise "no such luck" end)) =~ "no such luck"
  end
end
