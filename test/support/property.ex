defmodule Offheap.Property do
  @moduledoc """
  Runs a PropEr property inside an ExUnit test.

      import Offheap.Property

      test "reverse undoes reverse" do
        check forall(:proper_types.list(), fn l -> assert_same(:lists.reverse(:lists.reverse(l)), l) end)
      end

  A failure shows what was generated, shrunk to the smallest case found, and what went wrong in it.
  `PROPER_TESTS` in the environment replaces the number of tests of each property: a soak run is
  `PROPER_TESTS=100000 mix test`.
  """

  import ExUnit.Assertions, only: [flunk: 1]

  @default_tests 200

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
      {:numtests, tests},
      {:max_size, Keyword.get(opts, :max_size, 42)}
    ]

    case quickcheck(property, options) do
      true ->
        :ok

      [_ | _] ->
        failing = :proper.counterexample()
        flunk(describe(failing))

      {:error, reason} ->
        flunk("the property could not be run: #{inspect(reason)}")
    end
  end

  # PropEr's shrinking stumbles over improper lists: then the failure is shown as it was found.
  defp quickcheck(property, options) do
    Process.delete(:offheap_property_failed)
    :proper.quickcheck(property, options)
  rescue
    error ->
      case Process.get(:offheap_property_failed) do
        nil -> reraise error, __STACKTRACE__
        value -> flunk(describe([value]))
      end
  end

  # PropEr runs the function again and again while it shrinks; the last failure it meets is not
  # always the smallest, so the failure is kept with its value.
  defp holds(fun, value) do
    fun.(value) != false or remember(value, "returned false")
  catch
    kind, reason ->
      remember(value, Exception.format(kind, reason, __STACKTRACE__))
  end

  defp remember(value, text) do
    Process.put(:offheap_property_failed, value)
    Process.put({:offheap_property_failure, :erlang.phash2(value)}, text)
    false
  end

  defp describe([value | _]) do
    text =
      Process.get({:offheap_property_failure, :erlang.phash2(value)}, "the property is false")

    """
    property fails for

    #{inspect(value, limit: :infinity, pretty: true, width: 96, structs: false)}

    #{text}
    """
  end
end
