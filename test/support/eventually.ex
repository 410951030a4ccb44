defmodule Offheap.Eventually do
  @moduledoc "Waiting for what nothing tells of."

  import ExUnit.Assertions, only: [flunk: 1]

  @doc """
  Looks until the condition holds: the kernel or another process's child is through when it is. Gives
  up late.
  """
  def eventually(condition, tries \\ 1000) do
    cond do
      condition.() -> :ok
      tries == 0 -> flunk("never became true")
      true -> Process.sleep(10) && eventually(condition, tries - 1)
    end
  end
end
