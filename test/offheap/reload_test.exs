defmodule Offheap.ReloadTest do
  @moduledoc "Handles outlive the code that made them. Each test has an emulator of its own."
  use ExUnit.Case, async: true

  for {scenario, sentence} <- [
        same_file: "the library is loaded again from the same file",
        copied_file: "the library is loaded again from other files",
        handles_of_all_versions: "handles of all versions work with the last",
        under_load: "processes use handles while versions come and go",
        during_a_yielding_call: "a call yields while the library is loaded again",
        failing_load: "a library that cannot be loaded leaves the old one at work",
        deleted_and_loaded: "the module is deleted and loaded anew"
      ] do
    test sentence do
      assert {output, 0} = Offheap.Reload.run(unquote(scenario))
      assert output =~ ~r/^done$/m
    end
  end
end
