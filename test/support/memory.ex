defmodule Offheap.Memory do
  @moduledoc "Waiting for memory that goes with the last reference to it."

  import ExUnit.Assertions, only: [flunk: 1]

  @doc """
  Collects the caller's garbage until the condition holds: destructors run when schedulers get to
  them, which nothing tells of.
  """
  def collect_until(condition, tries \\ 10_000) do
    :erlang.garbage_collect()

    cond do
      condition.() -> :ok
      tries == 0 -> flunk("memory was not given back")
      true -> :erlang.yield() && collect_until(condition, tries - 1)
    end
  end
end
