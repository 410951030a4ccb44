defmodule Offheap.Bench.MixProject do
  use Mix.Project

  def project do
    [
      app: :offheap_bench,
      version: "0.1.0",
      elixir: "~> 1.14",
      elixirc_paths: ["lib"],
      deps: [{:offheap, path: ".."}] ++ benchee(System.get_env("BENCHEE"))
    ]
  end

  def application, do: [extra_applications: [:logger]]

  # A hex package as dependency makes every mix command ask for hex: only where it is wanted.
  defp benchee("1"), do: [{:benchee, "~> 1.3"}]
  defp benchee(_), do: []
end
