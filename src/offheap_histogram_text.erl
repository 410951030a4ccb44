%% @private Histograms in the text format of Prometheus (exposition format 0.0.4).
-module(offheap_histogram_text).

-export([prometheus/3]).

%% The histogram is the caller's alone: the readings below tell of the same values.
prometheus(Histogram, Name0, Options0) ->
    #{help := Help, labels := Labels0, divisor := Divisor, buckets := Bounds, header := Header} =
        options(Options0, #{help => none, labels => [], divisor => 1, buckets => default,
                            header => true}),
    is_number(Divisor) andalso Divisor > 0 andalso is_boolean(Header) orelse error(badarg),
    Name = name(Name0, "^[a-zA-Z_:][a-zA-Z0-9_:]*$"),
    Labels = labels(Labels0),
    #{count := Count, sum := Sum} = offheap_histogram:summary(Histogram),
    Lines = [line([Name, "_bucket"], Labels ++ [label("le", Le)], N)
             || {Le, N} <- cumulative(Histogram, Bounds, Divisor) ++ [{<<"+Inf">>, Count}]],
    iolist_to_binary([header(Header, Name, Help),
                      Lines,
                      line([Name, "_sum"], Labels, number(divided(Sum, Divisor))),
                      line([Name, "_count"], Labels, Count)]).

options([{Key, Value} | Rest], Known) when is_map_key(Key, Known) ->
    options(Rest, Known#{Key := Value});
options([], Known) ->
    Known;
options(_, _) ->
    error(badarg).

%% --- Buckets, as {text of the bound, values up to it} ---

cumulative(Histogram, Bounds0, Divisor) ->
    Buckets = offheap_histogram:buckets(Histogram),
    case offheap_histogram:info(Histogram) of
        #{highest := Highest} = Info ->
            Bounds = bounds(Bounds0, Info, Divisor),
            Uppers = [upper(Histogram, Bound, Highest, Divisor) || Bound <- Bounds],
            lists:zip([number(Bound) || Bound <- Bounds], count_up_to(Uppers, Buckets, 0));
        #{buckets := Uppers} when Bounds0 =:= default ->
            lists:zip([number(divided(Upper, Divisor)) || Upper <- Uppers],
                      count_up_to(Uppers, Buckets, 0));
        #{} ->
            error(badarg)
    end.

bounds(default, #{lowest := Lowest, highest := Highest}, Divisor) ->
    [divided((1 bsl Bits) - 1, Divisor) || Bits <- lists:seq(bits(Lowest), bits(Highest))];
bounds([_ | _] = Bounds, _Info, _Divisor) ->
    lists:all(fun is_number/1, Bounds) andalso lists:usort(Bounds) =:= Bounds orelse error(badarg),
    Bounds;
bounds(_, _, _) ->
    error(badarg).

%% How many binary digits an integer above 0 has.
bits(1) -> 1;
bits(N) -> 1 + bits(N bsr 1).

%% The highest value that is counted together with a bound; less than any for one below 0.
upper(_Histogram, Bound, _Highest, _Divisor) when Bound < 0 ->
    -1;
upper(Histogram, Bound, Highest, Divisor) ->
    Value = min(multiplied(Bound, Divisor), Highest),
    element(2, offheap_histogram:equivalent_range(Histogram, Value)).

count_up_to([Upper | Uppers], [{Highest, N} | Buckets], Sum) when Highest =< Upper ->
    count_up_to([Upper | Uppers], Buckets, Sum + N);
count_up_to([_ | Uppers], Buckets, Sum) ->
    [Sum | count_up_to(Uppers, Buckets, Sum)];
count_up_to([], _, _) ->
    [].

%% Whole where nothing is to be divided.
divided(Number, 1) -> Number;
divided(Number, Divisor) -> finite(fun() -> Number / Divisor end).

multiplied(Bound, Divisor) -> round(finite(fun() -> Bound * Divisor end)).

%% A divisor may lead out of what floats can hold.
finite(Fun) ->
    try
        Fun()
    catch
        error:badarith -> error(badarg)
    end.

%% --- Text ---

header(false, _Name, _Help) -> [];
header(true, Name, none) -> ["# TYPE ", Name, " histogram\n"];
header(true, Name, Help) ->
    ["# HELP ", Name, $\s, escape(text(Help), ["\\", "\n"]), $\n, header(true, Name, none)].

line(Name, [], Number) ->
    [Name, $\s, value(Number), $\n];
line(Name, Labels, Number) ->
    [Name, ${, lists:join($,, Labels), $}, $\s, value(Number), $\n].

value(Number) when is_integer(Number) -> integer_to_binary(Number);
value(Text) -> Text.

labels(Map) when is_map(Map) ->
    labels(maps:to_list(Map));
labels(List) when is_list(List) ->
    [case Label of
         {Name, Value} -> label(label_name(Name), text(Value));
         _ -> error(badarg)
     end || Label <- List];
labels(_) ->
    error(badarg).

label_name(Name) ->
    case name(Name, "^[a-zA-Z_][a-zA-Z0-9_]*$") of
        <<"le">> -> error(badarg);
        Text -> Text
    end.

label(Name, Value) ->
    [Name, "=\"", escape(Value, ["\\", "\"", "\n"]), $"].

name(Name, Pattern) ->
    Text = text(Name),
    match =:= re:run(Text, Pattern, [{capture, none}, dollar_endonly]) orelse error(badarg),
    Text.

escape(Text, Characters) ->
    lists:foldl(fun(Character, Escaped) ->
                        With = case Character of
                                   "\n" -> <<"\\n">>;
                                   _ -> list_to_binary([$\\, Character])
                               end,
                        binary:replace(Escaped, list_to_binary(Character), With, [global])
                end, Text, Characters).

text(Atom) when is_atom(Atom) -> atom_to_binary(Atom);
text(Number) when is_number(Number) -> number(Number);
text(Chars) ->
    case unicode:characters_to_binary(Chars) of
        Text when is_binary(Text) -> Text;
        _ -> error(badarg)
    end.

%% As short as it can be read back; a whole float as Prometheus itself writes it, without a fraction.
number(Integer) when is_integer(Integer) ->
    integer_to_binary(Integer);
number(Float) ->
    Text = float_to_binary(Float, [short]),
    case binary:split(Text, <<".0">>) of
        [Whole, <<>>] -> Whole;
        _ -> Text
    end.
