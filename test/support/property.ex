defmodule Offheap.Property do
  @moduledoc """
  Runs a PropEr property inside an ExUnit test.

      import Offheap.Property

      test "reverse undoes reverse" do
        check forall(:proper_types.list(), fn l -> assert_same(:lists.reverse(:lists.reverse(l)), l) end)
      end

  A failure shows what was generated, a list cut down to a part that still fails, and what went wrong.
  `PROPER_TESTS` in the environment replaces the number of tests of each property: a soak run is
  `PROPER_TESTS=100000 mix test`.
  """

  import ExUnit.Assertions, only: [flunk: 1]

  @default_tests 200

  # In the process dictionary: what failed last, as {function, value, what was wrong}.
  @failed :offheap_property_failed

  @doc """
  The property that `fun` returns `true` (or just returns) for each value of `type`. A raised
  exception, an exit or `false` fails it.
  """
  def forall(type, fun) when is_function(fun, 1) do
    :proper.forall(type, fn value -> holds(fun, value) end)
  end

  @doc """
  Fails the test unless the property holds.

  ## Options

    * `:tests` - how many values to try. Default #{@default_tests}; `PROPER_TESTS` wins.
    * `:max_size` - how large values may grow. Default 42, PropEr's own.
  """
  def check(property, opts \\ []) do
    tests =
      case System.get_env("PROPER_TESTS") do
        nil -> Keyword.get(opts, :tests, @default_tests)
        text -> String.to_integer(text)
      end

    options = [
      :quiet,
      :long_result,
      :noshrink,
      {:numtests, tests},
      {:max_size, Keyword.get(opts, :max_size, 42)}
    ]

    Process.delete(@failed)

    case :proper.quickcheck(property, options) do
      true -> :ok
      {:error, reason} -> flunk("the property could not be run: #{inspect(reason)}")
      _counterexample -> flunk(describe(shrink(Process.get(@failed))))
    end
  end

  # PropEr's own shrinking looks for a value's place in its type, which for terms of every kind takes
  # hours and stumbles over improper lists. What is generated here is mostly a list of commands: the
  # shortest part of it that still fails is what one wants to read. (A. Zeller, R. Hildebrandt,
  # "Simplifying and isolating failure-inducing input", 2002, without the complements.)
  defp shrink({fun, list, _text} = failed) when is_list(list) and length(list) > 1 do
    if List.improper?(list), do: failed, else: shrink(failed, fun, list, div(length(list), 2))
  end

  defp shrink(failed), do: failed

  defp shrink(failed, _fun, _list, 0), do: failed

  defp shrink(failed, fun, list, part) do
    0..(length(list) - 1)//part
    |> Enum.find_value(fn at ->
      {before, rest} = Enum.split(list, at)
      shorter = before ++ Enum.drop(rest, part)
      if not holds(fun, shorter), do: shorter
    end)
    |> case do
      nil -> shrink(failed, fun, list, div(part, 2))
      shorter -> shrink(Process.get(@failed), fun, shorter, min(part, length(shorter)))
    end
  end

  defp holds(fun, value) do
    fun.(value) != false or remember(fun, value, "returned false")
  catch
    kind, reason ->
      remember(fun, value, Exception.format(kind, reason, __STACKTRACE__))
  end

  defp remember(fun, value, text) do
    Process.put(@failed, {fun, value, text})
    false
  end

  defp describe({_fun, value, text}) do
    """
    property fails for

    #{inspect(value, limit: :infinity, charlists: :as_lists, width: 96, structs: false, pretty: true)}

    #{text}
    """
  end
end
