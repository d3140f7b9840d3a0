%% Lets Erlang/OTP's own supervisors live through scenarios, and prints what they did.
%%
%% Each line of the file is a term {Root, Failing, Ops}; each line printed is a list of
%% {Answer, [Did]}, one for the beginning and one for each of the Ops.
-module(otp).
-mode(compile).
-export([main/1, init/1, start_sup/3, start_worker/1]).

main([File]) ->
    logger:set_primary_config(level, none),
    {ok, Scenarios} = file:consult(File),
    lists:foreach(fun(Scenario) -> io:format("~w~n", [live(Scenario)]) end, Scenarios).

live({Root, Failing, Ops}) ->
    [ets:new(Name, [named_table, public, ordered_set]) || Name <- [did, sups, pids, nth, failing]],
    [ets:insert(failing, {Start}) || Start <- Failing],
    Holder = spawn(fun() -> hold(Root) end),
    Begun = settled(Holder, '-'),
    Done = [settled(Holder, happen(Holder, Op)) || Op <- Ops],
    exit(Holder, kill),
    [ets:delete(Name) || Name <- [did, sups, pids, nth, failing]],
    [Begun | Done].

%% The process above the root.
hold({sup, Id, _, _, Flags, Kids}) ->
    process_flag(trap_exit, true),
    case start_sup(Id, Flags, Kids) of
        {ok, Pid} -> held(Pid);
        {error, _} -> did('end'), gone()
    end.

held(Root) ->
    receive
        {'EXIT', Root, _} -> did('end'), gone();
        shutdown -> exit(Root, shutdown), held(Root)
    end.

gone() -> receive _ -> gone() end.

happen(Holder, shutdown) -> Holder ! shutdown, '-';
happen(_, {exit, Id, killed}) -> exit(pid(Id), kill), '-';
happen(_, {exit, Id, Reason}) -> pid(Id) ! {leave, Reason}, '-';
happen(_, {terminate, Sup, Id}) -> ask(Sup, fun(Pid) -> supervisor:terminate_child(Pid, Id) end);
happen(_, {restart, Sup, Id}) -> ask(Sup, fun(Pid) -> supervisor:restart_child(Pid, Id) end);
happen(_, {delete, Sup, Id}) -> ask(Sup, fun(Pid) -> supervisor:delete_child(Pid, Id) end);
happen(_, {add, Sup, Kid}) -> ask(Sup, fun(Pid) -> supervisor:start_child(Pid, spec(Kid)) end).

pid(Id) -> [{_, Pid}] = ets:lookup(pids, Id), Pid.

ask(Sup, Call) ->
    case ets:lookup(sups, Sup) of
        [{_, Pid}] ->
            try Call(Pid) of
                ok -> done;
                {ok, _} -> done;
                {error, _} -> no
            catch exit:_ -> no
            end;
        [] -> no
    end.

%% Waits until nobody has anything to do, and takes what was done.
settled(Holder, Answer) ->
    settle([Holder], 3),
    Did = [What || {_, What} <- ets:tab2list(did)],
    ets:delete_all_objects(did),
    {Answer, Did}.

settle(_, 0) -> ok;
settle(Holders, Times) ->
    Pids = Holders ++ [Pid || Table <- [sups, pids], {_, Pid} <- ets:tab2list(Table)],
    case lists:all(fun is_quiet/1, Pids) of
        true -> erlang:yield(), settle(Holders, Times - 1);
        false -> erlang:yield(), settle(Holders, 3)
    end.

%% Gone, or in its own loop with nothing to read and no exit on its way. A supervisor that waits
%% for a child is somewhere else than in its loop.
is_quiet(Pid) ->
    case process_info(Pid, [status, message_queue_len, current_function, links]) of
        undefined -> true;
        [{status, waiting}, {message_queue_len, 0}, {current_function, {Module, Name, _}}, {links, Links}] ->
            Loops = [{gen_server, loop}, {erlang, hibernate}, {?MODULE, loop}, {?MODULE, held}, {?MODULE, gone}],
            lists:member({Module, Name}, Loops)
                andalso lists:all(fun is_process_alive/1, [Link || Link <- Links, is_pid(Link)]);
        _ -> false
    end.

did(What) -> ets:insert(did, {erlang:unique_integer([monotonic]), What}).

start_sup(Id, Flags, Kids) -> supervisor:start_link(?MODULE, {Id, Flags, Kids}).

init({Id, {Strategy, Intensity, Period, Auto}, Kids}) ->
    ets:insert(sups, {Id, self()}),
    Flags = #{strategy => Strategy, intensity => Intensity, period => Period, auto_shutdown => Auto},
    {ok, {Flags, [spec(Kid) || Kid <- Kids]}}.

spec({worker, Id, Restart, Significant}) ->
    #{id => Id, start => {?MODULE, start_worker, [Id]}, restart => Restart,
      significant => Significant, shutdown => infinity, type => worker};
spec({sup, Id, Restart, Significant, Flags, Kids}) ->
    #{id => Id, start => {?MODULE, start_sup, [Id, Flags, Kids]}, restart => Restart,
      significant => Significant, shutdown => infinity, type => supervisor}.

start_worker(Id) ->
    Nth = ets:update_counter(nth, Id, 1, {Id, -1}),
    case ets:member(failing, {Id, Nth}) of
        true -> did({fail, Id}), {error, failed};
        false ->
            Parent = self(),
            Pid = spawn_link(fun() ->
                process_flag(trap_exit, true),
                Parent ! {ready, self()},
                loop(Id, Parent)
            end),
            receive {ready, Pid} -> ok end,
            ets:insert(pids, {Id, Pid}),
            did({start, Id}),
            {ok, Pid}
    end.

loop(Id, Parent) ->
    receive
        {'EXIT', Parent, Reason} -> did({stop, Id}), exit(Reason);
        {leave, Reason} -> exit(Reason)
    end.
