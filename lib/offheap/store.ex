defmodule Offheap.Store do
  @moduledoc """
  Tables of Erlang terms outside the process heaps, with ETS's names and semantics and reads that take
  no lock.

  A store is a set: one object a key, keys compared by `===`. Objects are tuples; the element at
  `:keypos` (the first, unless said otherwise) is the key. `put/3`, `get/3` and `fetch/2` hide the tuple
  for plain key-value use.

      iex> store = Offheap.Store.new(:users)
      iex> Offheap.Store.put(store, "ada", %{born: 1815})
      :ok
      iex> Offheap.Store.fetch(store, "ada")
      {:ok, %{born: 1815}}
      iex> Offheap.Store.insert(store, [{:visits, 0}, {:limit, 10, :per_day}])
      true
      iex> Offheap.Store.update_counter(store, :visits, 1)
      1
      iex> Offheap.Store.lookup(store, :limit)
      [{:limit, 10, :per_day}]

  ## What holds

    * Reads (`get/3`, `fetch/2`, `lookup/2`, `lookup_element/3`, `member?/2`) take no lock and never wait
      for a writer.
    * A write locks the part of the table its key belongs to, some hundred neighbours, for about a
      microsecond. Each write is atomic and isolated; a list is inserted as one change.
    * A table grows and shrinks in steps of some ten microseconds, whatever its size.
    * Terms beyond about 64 KB and lists beyond 500 objects are handled on a dirty scheduler, so that no
      call holds a normal one.
    * A table belongs to the process that made it and is deleted when that process ends, as in ETS. The
      notice of the owner's end may come a little later than a monitor's `:DOWN`.
    * A table is a reference: it also goes when nobody holds its reference any more. Only a table that
      holds its own reference does not; delete it.
    * `ArgumentError` is raised for a wrong or deleted table, a missing right, or an object that is not a
      tuple of at least `:keypos` elements.

  > #### Where ETS is faster {: .info}
  >
  > Whole reads of values beyond about 50 words: ETS copies terms faster than any library can. Read an
  > element (`lookup_element/3`) instead of the whole object.
  """

  @typedoc "The reference of a table."
  @type t :: :offheap_store.store()
  @type key :: term()
  @type object :: tuple()

  @typedoc "Adds to an element; past the threshold the element becomes `set_value`."
  @type update_op ::
          {position :: pos_integer(), increment :: integer()}
          | {position :: pos_integer(), increment :: integer(), threshold :: integer(),
             set_value :: integer()}

  @doc """
  Makes an empty table that belongs to the caller.

  ## Options

    * `:public`, `:protected` (default) or `:private` - who else may write, read only, or neither
    * `{:keypos, position}` - the element of an object that is its key. Default 1
    * `:set`, `{:read_concurrency, _}`, `{:write_concurrency, _}`, `{:decentralized_counters, _}` - taken
      as ETS takes them; every table is a set that reads and writes concurrently

  ## Examples

      iex> store = Offheap.Store.new(:points, [:public, keypos: 2])
      iex> Offheap.Store.insert(store, {:point, "a", 1, 2})
      true
      iex> Offheap.Store.lookup_element(store, "a", 4)
      2
  """
  @spec new(atom(), [:offheap_store.option()]) :: t()
  def new(name, options \\ []), do: :offheap_store.new(name, options)

  @doc """
  Deletes the table, in constant time: its memory is freed in the background.

      iex> store = Offheap.Store.new(:gone)
      iex> Offheap.Store.delete(store)
      true
      iex> Offheap.Store.info(store)
      :undefined
  """
  @spec delete(t()) :: true
  defdelegate delete(store), to: :offheap_store

  @doc """
  Deletes the object with this key, if there is one.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> Offheap.Store.delete(store, :a)
      true
      iex> Offheap.Store.get(store, :a)
      nil
  """
  @spec delete(t(), key()) :: true
  defdelegate delete(store, key), to: :offheap_store

  @doc """
  Stores `{key, value}`. For tables with `:keypos` 1.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, [1, 2])
      :ok
  """
  @spec put(t(), key(), term()) :: :ok
  defdelegate put(store, key, value), to: :offheap_store

  @doc """
  The value stored for the key, or the default. `ArgumentError` if the key's object is not of two
  elements.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> {Offheap.Store.get(store, :a), Offheap.Store.get(store, :b), Offheap.Store.get(store, :b, 0)}
      {1, nil, 0}
  """
  @spec get(t(), key(), default) :: term() | default when default: term()
  def get(store, key, default \\ nil), do: :offheap_store.get(store, key, default)

  @doc """
  `{:ok, value}`, or `:error` if the key is not there.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.fetch(store, :a)
      :error
  """
  @spec fetch(t(), key()) :: {:ok, term()} | :error
  defdelegate fetch(store, key), to: :offheap_store

  @doc """
  Inserts an object, or a list of objects as one atomic and isolated change. An object replaces the one
  with the same key.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{:a, 1}, {:b, 2, 3}])
      true
  """
  @spec insert(t(), object() | [object()]) :: true
  defdelegate insert(store, objects), to: :offheap_store

  @doc """
  Inserts only if none of the keys is in the table.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert_new(store, {:a, 1})
      true
      iex> Offheap.Store.insert_new(store, [{:b, 1}, {:a, 2}])
      false
      iex> Offheap.Store.member?(store, :b)
      false
  """
  @spec insert_new(t(), object() | [object()]) :: boolean()
  defdelegate insert_new(store, objects), to: :offheap_store

  @doc """
  The object with this key in a list, or an empty list.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.lookup(store, :a)
      []
  """
  @spec lookup(t(), key()) :: [object()]
  defdelegate lookup(store, key), to: :offheap_store

  @doc """
  The element at `position` of the object with this key; only this element is copied. `ArgumentError` if
  there is no such object or element.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, {:a, "first", "second"})
      iex> Offheap.Store.lookup_element(store, :a, 3)
      "second"
  """
  @spec lookup_element(t(), key(), pos_integer()) :: term()
  defdelegate lookup_element(store, key, position), to: :offheap_store

  @doc """
  The same, with a default for a key that is not there.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.lookup_element(store, :a, 2, :none)
      :none
  """
  @spec lookup_element(t(), key(), pos_integer(), default) :: term() | default
        when default: term()
  defdelegate lookup_element(store, key, position, default), to: :offheap_store

  @doc """
  Whether there is an object with this key.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.member?(store, :a)
      false
  """
  @spec member?(t(), key()) :: boolean()
  defdelegate member?(store, key), to: :offheap_store, as: :member

  @doc """
  Deletes the object with this key and returns it in a list.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> {Offheap.Store.take(store, :a), Offheap.Store.take(store, :a)}
      {[a: 1], []}
  """
  @spec take(t(), key()) :: [object()]
  defdelegate take(store, key), to: :offheap_store

  @doc """
  Adds to integers of an object, atomically, and returns the new value, or the list of new values for a
  list of operations. An increment alone means the element after the key.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, {:hits, 10, 0})
      iex> Offheap.Store.update_counter(store, :hits, 5)
      15
      iex> Offheap.Store.update_counter(store, :hits, [{2, -1}, {3, 1}])
      [14, 1]
      iex> Offheap.Store.update_counter(store, :hits, {2, 10, 20, 0})
      0
  """
  @spec update_counter(t(), key(), integer() | update_op() | [update_op()]) ::
          integer() | [integer()]
  defdelegate update_counter(store, key, operation), to: :offheap_store

  @doc """
  The same; a key that is not there begins as `default`, an object whose key is replaced.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.update_counter(store, :hits, 1, {:hits, 0})
      1
  """
  @spec update_counter(t(), key(), integer() | update_op() | [update_op()], object()) ::
          integer() | [integer()]
  defdelegate update_counter(store, key, operation, default), to: :offheap_store

  @doc """
  Replaces the object `old` by `new`, which must have the same key, if it is what the table holds:
  compare-and-swap. Returns whether it did.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, {:state, :idle})
      iex> Offheap.Store.replace(store, {:state, :idle}, {:state, :busy})
      true
      iex> Offheap.Store.replace(store, {:state, :idle}, {:state, :busy})
      false
  """
  @spec replace(t(), object(), object()) :: boolean()
  defdelegate replace(store, old, new), to: :offheap_store

  @doc """
  All objects, in no order. Every object that is in the table throughout the call is given exactly once.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.insert(store, [{:a, 1}, {:b, 2}])
      iex> store |> Offheap.Store.to_list() |> Enum.sort()
      [a: 1, b: 2]
  """
  @spec to_list(t()) :: [object()]
  defdelegate to_list(store), to: :offheap_store, as: :tab2list

  @doc """
  What the table is and holds, or `:undefined` if it was deleted. `:memory` is in words, as in ETS, and
  about right.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.put(store, :a, 1)
      iex> Offheap.Store.info(store)[:size]
      1
  """
  @spec info(t()) :: keyword() | :undefined
  defdelegate info(store), to: :offheap_store

  @doc """
  One item of `info/1`.

      iex> store = Offheap.Store.new(:s)
      iex> Offheap.Store.info(store, :protection)
      :protected
  """
  @spec info(t(), atom()) :: term()
  defdelegate info(store, item), to: :offheap_store
end
