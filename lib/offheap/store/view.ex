defmodule Offheap.Store.View do
  @moduledoc """
  A table as `Enumerable`, `Collectable` and `Inspect` see it. Tables are references or atoms, for which no
  protocol can be implemented, so that `Offheap.Store.view/1` wraps one.

      iex> view = Offheap.Store.view(Offheap.Store.new(:s))
      iex> Enum.into(%{a: 1, b: 2}, view)
      iex> Enum.count(view)
      2
      iex> {:a, 1} in view
      true
      iex> Enum.sort(view)
      [a: 1, b: 2]

  A walk is that of `Offheap.Store.stream/1`: each object that is there throughout is given once. Objects that
  are collected are inserted as they come. `inspect` shows the table's name, type and size, never its
  objects:

      iex> inspect(Offheap.Store.view(Offheap.Store.new(:users)))
      "#Offheap.Store<:users, :set, 0 objects>"
  """

  @enforce_keys [:store]
  defstruct [:store]

  @type t :: %__MODULE__{store: Offheap.Store.t()}

  defimpl Enumerable do
    alias Offheap.Store

    def reduce(view, acc, fun), do: view.store |> Store.stream() |> Enumerable.reduce(acc, fun)
    def count(view), do: {:ok, Store.count(view.store)}

    def member?(view, object) when is_tuple(object) do
      place = Store.info(view.store, :keypos)

      {:ok,
       tuple_size(object) >= place and
         object in Store.lookup(view.store, elem(object, place - 1))}
    end

    def member?(_view, _other), do: {:ok, false}

    def slice(_view), do: {:error, __MODULE__}
  end

  defimpl Collectable do
    def into(view) do
      collect = fn
        store, {:cont, object} ->
          true = Offheap.Store.insert(store, object)
          store

        _store, :done ->
          view

        _store, :halt ->
          :ok
      end

      {view.store, collect}
    end
  end

  defimpl Inspect do
    def inspect(view, options) do
      case Offheap.Store.info(view.store) do
        :undefined ->
          "#Offheap.Store<deleted>"

        info ->
          name = Inspect.Atom.inspect(info[:name], options)
          type = Inspect.Atom.inspect(info[:type], options)

          Inspect.Algebra.concat([
            "#Offheap.Store<",
            name,
            ", ",
            type,
            ", #{info[:size]} objects>"
          ])
      end
    end
  end
end
