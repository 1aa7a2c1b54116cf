#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The configuration is changed under live sessions, piece by piece: those that
# it still allows lose no packet, the others end with the reason, a file with a
# mistake changes nothing, and a process that dies meanwhile does no harm.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

SECOND=192.0.2.3
THIRD=192.0.2.4		# no socket is there

rig_begin "the configuration is read again while clients are connected"
must test -x "$build/culvertd"
must test -x "$build/culvert-dial"

# --- the server: three ways in ---------------------------------------------------

server_conf()
{
	cat <<-END
	ext_if = "in0"
	ike passive esp transport from any to any psk file "$server_run/psk"
	tunnel FIRST protocol l2tp {
		listen on $OUTER
		l2tp-hello-interval 5
		l2tp-hello-timeout 12
	}
	tunnel SECOND protocol l2tp {
		listen on $SECOND
	}
	ipcp HOME {
		pool-address "$POOL.10-$POOL.99"
		dns-servers 9.9.9.9
	}
	ipcp GUEST {
		pool-address "10.55.1.10-10.55.1.99"
	}
	ipcp OFFICE {
		pool-address "10.55.2.10-10.55.2.99"
	}
	interface pppx0 address $POOL.1 ipcp HOME
	interface pppx100 address 10.55.1.1 ipcp GUEST
	interface tun0 address 10.55.2.1 ipcp OFFICE
	authentication LOCAL type local {
		users-file "$server_run/users"
	}
	authentication STAFF type local {
		username-suffix "@staff"
		users-file "$server_run/staff"
	}
	bind tunnel from FIRST authenticated by LOCAL to pppx0
	bind tunnel from FIRST authenticated by STAFF to tun0
	bind tunnel from SECOND authenticated by LOCAL to pppx100
	firewall {
		nat on \$ext_if
	}
	END
}

# put FILE: standard input becomes FILE at once, as an editor does it.
put()
{
	(umask 077 && cat >"$1.new") && mv "$1.new" "$1"
}

# in_conf SED: the configuration is the first one with SED over it.
in_conf()
{
	sed -E "${1-}" "$rig_dir/first" | put "$server_run/conf"
}

# reload [SED]: that configuration is read; what culvertctl says in $rig_dir/report and diag.
reload()
{
	[ $# = 0 ] || in_conf "$1"
	ctl reload >"$rig_dir/report" 2>"$rig_dir/diag"
}

# reports TEXT…: each of them is a whole line of the last report, and there is no other.
reports()
{
	printf '%s\n' "$@" >"$rig_dir/wanted"
	# Which of its pool's addresses somebody had is not the question.
	sed -E 's/ at [0-9.]+:/ at X:/' "$rig_dir/report" | diff "$rig_dir/wanted" -
}

# tries TEXT SED LINE…: reload, status 0, and exactly these lines.
tries()
{
	local text=$1 sed=$2
	shift 2
	check "$text" reload "$sed" || sed 's/^/#   /' "$rig_dir/diag"
	check "  the report is right" reports "$@"
}

# client TAG OPTION…: in the background until it is up; its pid in $started.
client()
{
	dial_start "$@" --ping 50 --target $INSIDE --hold 900 --time || return 1
	wait_for grep -q ' up ' "$rig_dir/$1.log"
}

# victim TAG OPTION…: the same, one that will be ended.
victim()
{
	must client "$@"
	victim=$started
}

# ended_because TEXT: the last victim was told so, and so was the log.
ended_because()
{
	wait_for grep -qE ' ended |^lost: 1' "$rig_dir/$1.log" && wait_for logged "reason=\"$2\""
}

# victim_gone TAG TEXT
victim_gone()
{
	check "  $1 ended: $2" ended_because "$1" "$2"
	rig_kill TERM "$victim"
}

child()
{
	case $1 in
	iked) pgrep -P "$server_pid" -f culvert-iked ;;
	engine) pgrep -P "$server_pid" -f "culvertd -P engine -I $2" ;;
	*) pgrep -P "$server_pid" -f "culvertd -P $1 " ;;
	esac
}

lines()
{
	wc -l <"$rig_dir/culvertd.log"
}

since()
{
	tail -n "+$(($1 + 1))" "$rig_dir/culvertd.log" | grep -qE -- "$2"
}

devices()
{
	ip -n "$(nsname srv)" -o link | grep -oE ': (tun|pppx)[0-9-]+' | sort | xargs
}

# sessions: users and addresses of all, on one line.
sessions()
{
	ctl -n session brief | awk '/L2TP/ { print $3, $2 }' | sort | xargs
}

must dial_network
must addr srv out0 $SECOND/24 $THIRD/24
server_run=$rig_dir/run
must mkdir -p "$server_run"
printf '%s\n' "$PSK" | put "$server_run/psk"
server_users | sed "s/^bob.*/&\n\t:framed-ip-address=$POOL.60:\\\\/" | put "$server_run/users"
printf 'dave@staff:\\\n\t:password=%s:\n' "$(password_of alice)" | put "$server_run/staff"
cp "$server_run/users" "$rig_dir/users"
sed -i "s/$(password_of bob)/$(password_of alice)/; s/$(password_of carol)/$(password_of alice)/" \
	"$server_run/users" "$rig_dir/users"
(umask 077 && server_conf >"$rig_dir/first")
in_conf
must server_start
printf '%s\n' "$PSK" >"$rig_dir/psk"
password_of alice >"$rig_dir/password"
dial_cmd=("$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password")
before=$(all_held)
note "before: $before"

# --- witnesses: on a device of their own each, and on the shared ones ---------------

must client alice -n 6 --from 198.18.1.0/24
alice=$started
must client dave -n 6 --from 198.18.2.0/24 -u dave@staff
dave=$started
must wait_for eval '[ "$(cat "$rig_dir"/{alice,dave}.log | grep -c " up ")" = 12 ]'
witnesses=$(sessions)
check "both engines have witnesses" test "$(engine_sessions 0)" -ge 1 -a "$(engine_sessions 1)" -ge 1

# --- what changes, and for whom -------------------------------------------------------

tries "nothing changed" "" "nothing changed"
check "SIGHUP does the same" eval 'n=$(lines); kill -HUP $server_pid; wait_for since $n "reload: nothing changed"'

tries "a larger pool, other name servers" "s/-$POOL.99/-$POOL.199/; s/9\.9\.9\.9/1.1.1.1/" \
	"changed: ipcp HOME: pool-address \"$POOL.10-$POOL.99\" for dynamic -> \"$POOL.10-$POOL.199\" for dynamic" \
	"changed: ipcp HOME: dns-servers 9.9.9.9 -> 1.1.1.1 (new sessions)" \
	"sessions: 12 kept, 0 ended"

victim bob --from 198.18.3.0/24 -u bob
check_eq "bob has his own address" "bob $POOL.60" "$(sessions | grep -o "bob [0-9.]*")"
tries "a pool without it" "s/-$POOL.99/-$POOL.50/; s/9\.9\.9\.9/1.1.1.1/" \
	"changed: ipcp HOME: pool-address \"$POOL.10-$POOL.199\" for dynamic -> \"$POOL.10-$POOL.50\" for dynamic" \
	"ended: bob at X: its address left the pool" \
	"sessions: 12 kept, 1 ended"
victim_gone bob "its address left the pool"

victim carol --from 198.18.3.0/24 -u carol
sed '/^carol/,+1d' "$rig_dir/users" | put "$server_run/users"
in_conf
check "a user is removed" reload
check "  and ended" grep -q "^ended: carol at $POOL\.[0-9]*: the user was removed" "$rig_dir/report"
check "  nobody else" grep -q "^sessions: 12 kept, 1 ended" "$rig_dir/report"
victim_gone carol "the user was removed"
check "  he cannot come back" eval '! dial carol2 --from 198.18.3.0/24 -u carol'
put "$server_run/users" <"$rig_dir/users"
check "without a reload he can within seconds" wait_for dial carol3 --from 198.18.3.0/24 -u carol --timeout 5

tries "clients may speak to each other" 's/^(.*)nat on/\1client-to-client yes\n&/' \
	"changed: firewall: client-to-client no -> yes" "sessions: 12 kept, 0 ended"
rules=$(ns srv nft list table inet culvert)
tries "and may not" "" "changed: firewall: client-to-client yes -> no" "sessions: 12 kept, 0 ended"
check "  the rules are others" test "$rules" != "$(ns srv nft list table inet culvert)"

tries "an option of a tunnel" "/$OUTER\$/a mru 1300" \
	"changed: tunnel FIRST: mru 1360 -> 1300 (new sessions)" "sessions: 12 kept, 0 ended"
check "  a new session has it" eval 'dial mru --from 198.18.3.0/24 && logged "mtu=1300"'
check_eq "  the old ones have theirs" 12 "$(ctl -n session all | grep -c 'MRU  *: 1360')"

victim second --from 198.18.3.0/24 -s $SECOND
tries "a tunnel is removed" "/^tunnel SECOND/,/^\}/d; /from SECOND/d" \
	"removed: tunnel SECOND" "removed: bind tunnel from SECOND authenticated by LOCAL to pppx100" \
	"changed: tunnel FIRST: mru 1300 -> 1360 (new sessions)" \
	"ended: alice at X: its tunnel was removed" "sessions: 12 kept, 1 ended"
victim_gone second "its tunnel was removed"
check "  nobody is served at its address" eval '! dial second2 --from 198.18.3.0/24 -s $SECOND --timeout 3'
tries "and added under another name" 's/SECOND/OTHER/' \
	"added: tunnel OTHER" "added: bind tunnel from OTHER authenticated by LOCAL to pppx100" \
	"sessions: 12 kept, 0 ended"
victim other --from 198.18.3.0/24 -s $SECOND
tries "it is bound to another interface" 's/SECOND/OTHER/; s/LOCAL to pppx100/LOCAL to pppx200/
	/^interface pppx100/a interface pppx200 address 10.55.3.1 ipcp GUEST' \
	"removed: bind tunnel from OTHER authenticated by LOCAL to pppx100" "added: interface pppx200" \
	"added: bind tunnel from OTHER authenticated by LOCAL to pppx200" \
	"ended: alice at X: its bind was removed" "sessions: 12 kept, 1 ended"
victim_gone other "its bind was removed"
victim unit --from 198.18.3.0/24 -s $SECOND
check "  its first unit is what a new one gets" wait_for ip -n "$(nsname srv)" link show pppx200
tries "and back: the interface goes" 's/SECOND/OTHER/' \
	"removed: interface pppx200" "removed: bind tunnel from OTHER authenticated by LOCAL to pppx200" \
	"added: bind tunnel from OTHER authenticated by LOCAL to pppx100" \
	"ended: alice at X: its interface was removed" "sessions: 12 kept, 1 ended"
victim_gone unit "its interface was removed"

tries "a new shared interface" 's/SECOND authenticated by LOCAL to pppx100/SECOND authenticated by LOCAL to tun5/
	/^interface pppx100/c interface tun5 address 10.55.1.1 ipcp GUEST' \
	"removed: tunnel OTHER" "removed: interface pppx100" \
	"removed: bind tunnel from OTHER authenticated by LOCAL to pppx100" \
	"added: tunnel SECOND" "added: interface tun5" "added: bind tunnel from SECOND authenticated by LOCAL to tun5" \
	"sessions: 12 kept, 0 ended"
check "  its devices are made" wait_for eval '[ "$(devices | grep -oE "tun5(-1)?" | xargs)" = "tun5 tun5-1" ]'
victim tun5 --from 198.18.3.0/24 -s $SECOND
check "  and take sessions" wait_for eval '[ -n "$(ip -n "$(nsname srv)" route show dev tun5)$(ip -n "$(nsname srv)" route show dev tun5-1)" ]'
tries "the address of the other one" 's/(interface tun0 address) 10.55.2.1/\1 10.55.2.2/
	s/SECOND authenticated by LOCAL to pppx100/SECOND authenticated by LOCAL to tun5/
	/^interface pppx100/c interface tun5 address 10.55.1.1 ipcp GUEST' \
	"changed: interface tun0: address 10.55.2.1 -> 10.55.2.2 (new sessions)" "sessions: 13 kept, 0 ended"
check_eq "  is that of its devices" "10.55.2.2/32 10.55.2.2/32" \
	"$(ip -n "$(nsname srv)" -o addr show | awk '$2 ~ /^tun0/ && /inet / { print $4 }' | xargs)"
tries "the new interface goes" "" \
	"removed: interface tun5" "removed: bind tunnel from SECOND authenticated by LOCAL to tun5" \
	"added: interface pppx100" "added: bind tunnel from SECOND authenticated by LOCAL to pppx100" \
	"changed: interface tun0: address 10.55.2.2 -> 10.55.2.1 (new sessions)" \
	"ended: alice at X: its interface was removed" "sessions: 12 kept, 1 ended"
victim_gone tun5 "its interface was removed"
check "  and its devices" wait_for eval '! devices | grep -q tun5'

sed 's/"@staff"/"@office"/' "$rig_dir/first" >"$rig_dir/other"
# SECOND stands before FIRST.
{
	sed -n '1,2p; /^tunnel SECOND/,/^}/p' "$rig_dir/other"
	sed '1,2d; /^tunnel SECOND/,/^}/d' "$rig_dir/other"
} | put "$server_run/conf"
check "another suffix, another order of statements" reload
check "  only the suffix is a change" reports 'changed: authentication STAFF: username-suffix "@staff" -> "@office" (new sessions)' \
	"sessions: 12 kept, 0 ended"
tries "and back" "" 'changed: authentication STAFF: username-suffix "@office" -> "@staff" (new sessions)' \
	"sessions: 12 kept, 0 ended"

echo 'eve:password=x:no such field=1:' >>"$server_run/users"
check "a mistake in the users file" reload ""
check "  is a warning, with its place" grep -q "^$server_run/users:[0-9]*.*warning.*no such field" "$rig_dir/diag"
put "$server_run/users" <"$rig_dir/users"

# --- an address is not given away before its holder has ended --------------------------

one='s/10\.55\.1\.10-10\.55\.1\.99/10.55.1.10/'
check "a pool of one address" reload "$one"
dial_start gone --from 198.18.3.0/24 -s $SECOND -u carol --hold 900 --time
wait_for grep -q ' up ' "$rig_dir/gone.log"
rig_kill KILL "$started" $(ip netns pids "$(nsname cli)" | while read -r p; do
	tr '\0' ' ' <"/proc/$p/cmdline" | grep -q -- '-u carol' && echo "$p"; done)
sed '/^carol/,+1d' "$rig_dir/users" | put "$server_run/users"
check "its holder vanished, and is removed" reload "$one"
check "  is said" grep -q "^ended: carol at 10.55.1.10: the user was removed" "$rig_dir/report"
check "  the next one has to wait" eval '! dial early --from 198.18.3.0/24 -s $SECOND'
check "  because there is no other" logged 'reason="no free address in the pool"'
check "  until he has ended" wait_for dial late --from 198.18.3.0/24 -s $SECOND --timeout 5
put "$server_run/users" <"$rig_dir/users"
check "and back" reload ""

# --- the pre-shared key ---------------------------------------------------------------

echo 'another key, as good as that one' | put "$server_run/psk"
check "another pre-shared key in the same file" reload
check "  is reported, and not shown" reports "changed: ike esp transport from any to any: psk (new sessions)" "sessions: 12 kept, 0 ended"
check "  a login with the old one fails" eval '! dial oldkey --from 198.18.3.0/24 --timeout 3'
check "  one with the new one works" dial newkey --from 198.18.3.0/24 -k "another key, as good as that one"
check "  no secret is in the log" eval '! logged "another key" && ! logged "$PSK"'
printf '%s\n' "$PSK" | put "$server_run/psk"
check "and back" reload

# --- what only a restart can change -----------------------------------------------------

pending=("needs a restart: added: control" "needs a restart: set max-session 0 -> 60000"
	"needs a restart: set engines 2 -> 4" "needs a restart: tunnel SECOND: listen on $SECOND -> on $THIRD")
some="s/on $SECOND/on $THIRD/
	\$a control {
	\$a socket \"/run/elsewhere\"
	\$a }
	1i set max-session 60000
	1i set engines 4"
tries "what needs a restart" "$some" "nothing changed" "${pending[@]}"
tries "  it is said each time" "s/9\.9\.9\.9/1.1.1.1/
$some" \
	"changed: ipcp HOME: dns-servers 9.9.9.9 -> 1.1.1.1 (new sessions)" "sessions: 12 kept, 0 ended" "${pending[@]}"
check "  until then all is as it was" dial still --from 198.18.3.0/24 -s $SECOND
tries "and back" "" "changed: ipcp HOME: dns-servers 1.1.1.1 -> 9.9.9.9 (new sessions)" "sessions: 12 kept, 0 ended"

# --- files that are none -------------------------------------------------------------------

rules=$(ns srv nft list table inet culvert)

# refused TEXT: the file as it stands is; nothing is changed, and everybody is told the same.
refused()
{
	local n
	check "$1: status 1" eval 'reload; [ $? = 1 ]'
	check_eq "  nothing changed" "nothing changed" "$(cat "$rig_dir/report")"
	[ "${2-}" = other ] && return
	ns srv "$build/culvertd" -n -f "$server_run/conf" >"$rig_dir/check" 2>&1
	check "  the words are those of culvertd -n" eval '[ -s "$rig_dir/diag" ] && diff "$rig_dir/check" "$rig_dir/diag"'
	n=$(lines)
	kill -HUP "$server_pid"
	check "  and the log has them after SIGHUP" eval 'wait_for since $n "reload: nothing changed" &&
		tail -n "+$((n + 1))" "$rig_dir/culvertd.log" | grep -qF -- "$(tail -n 1 "$rig_dir/check")"'
}

in_conf 's/dns-servers/dns-server/; s/address 10.55.2.1 /address 10.55.2.20 /; $a tunnel'
refused "mistakes in the file"
in_conf "s/tun0 address 10.55.2.1/tun0 address $POOL.20/"
refused "a mistake in the whole"
echo -n | put "$server_run/conf"
refused "an empty file"
rm "$server_run/conf"
refused "no file"
mkdir "$server_run/conf"
refused "a directory"
rmdir "$server_run/conf"
in_conf
chmod 666 "$server_run/conf"
refused "open to others"
rm "$server_run/conf"
mkfifo "$server_run/conf"
refused "a fifo" other
check "  with a word about it" grep -q "no regular file" "$rig_dir/diag"
rm "$server_run/conf"
ln -s "$rig_dir/first" "$server_run/conf"
check "a link to the file is as good as that" reload
check "  and nothing changed" reports "nothing changed"
rm "$server_run/conf"
in_conf 's/FIRST/NEW1/'
check "no new tunnel fits" eval 'for i in 2 3 4 5 6 7 8; do
		{ cat "$rig_dir/first"; for k in 1 2 3 4 5; do
			printf "tunnel T$i$k protocol l2tp {\n\tlisten on 127.0.$i.$k\n}\nbind tunnel from T$i$k authenticated by LOCAL to pppx0\n"
		done; } | put "$server_run/conf"
		reload || break
	done; grep -q "no room for more tunnels" "$rig_dir/diag"'
in_conf
check "  but fewer do" reload
must nsenter -t "$server_pid" -m mount --bind /bin/false "$build/culvert-firewall"
in_conf 's/9\.9\.9\.9/1.1.1.1/'
refused "a firewall that cannot be set up" other
check "  says so" grep -q "the firewall cannot be set up" "$rig_dir/diag"
must nsenter -t "$server_pid" -m umount "$build/culvert-firewall"
check "no rule was changed by any of them" test "$rules" = "$(ns srv nft list table inet culvert)"
in_conf
check "the good file" reload
check "  changes nothing" reports "nothing changed"

# --- under load, and when a process dies ---------------------------------------------------------

dial_start storm -n 80 -r 60 --from 198.18.4.0/24 --timeout 40 --hold 2 --time
storm=$started
for i in $(seq 1 12); do
	reload "s/-$POOL.99/-$POOL.$((120 + i))/; s/9\.9\.9\.9/9.9.9.$i/" || break
	sleep 0.1
done
check_eq "12 reloads while 80 log in" 12 "$i"
wait_for not rig_alive $storm
check_eq "  all of them came in, and nobody was ended" "80 0 0" "$(got storm up) $(got storm failed) $(got storm lost)"
check "two at once" eval 'ctl reload >/dev/null 2>&1 & ctl reload >/dev/null 2>&1 && wait $!'

# dies ROLE [INDEX]: hung, so that the reload waits for it, then killed.
dies()
{
	local pid n text="$1$2 dies in the middle"
	pid=$(child $1 $2)
	n=$(lines)
	kill -STOP "$pid"
	in_conf "s/9\.9\.9\.9/8.8.$((RANDOM % 250)).$((RANDOM % 250))/"
	kill -HUP "$server_pid"
	wait_for since $n 'SIGHUP'
	sleep 0.3
	kill -KILL "$pid"
	check "$text: the reload is done all the same" wait_for since $n "reload: sessions: ${3:-12} kept, 0 ended"
	check "  and was a change" since $n 'reload: changed: ipcp HOME: dns-servers'
	check "  that everybody has" eval 'reload && reports "nothing changed"'
}

for role in netd iked auth manager; do
	dies $role ''
done
put "$server_run/users" < <(sed '/^carol/,+1d' "$rig_dir/users")
check "a user is removed" reload
for role in auth manager netd; do
	n=$(lines)
	kill -KILL "$(child $role)"
	check "$role dies later: it is back" wait_for since $n "$role is back"
	check "  and has the new configuration" eval 'reload && reports "nothing changed"'
done
check "  the user is still gone" eval '! dial carol4 --from 198.18.3.0/24 -u carol'
check_eq "the witnesses have kept their addresses" "$witnesses" "$(sessions)"

# --- the end --------------------------------------------------------------------------------------

for who in alice dave; do
	for p in $(ip netns pids "$(nsname cli)"); do
		[ "$(ps -o ppid= "$p" | tr -d ' ')" = "${!who}" ] || [ "$p" = "${!who}" ] && kill -TERM "$p"
	done
	wait_for not rig_alive "${!who}"
	check_eq "$who: no ping was lost, no session ended, in $(got $who pings) pings" "0 0" "$(got $who pings_lost) $(got $who lost)"
done
dies engine 1 0
in_conf
check "everything came back" wait_for all_held_is "$before" || note "now: $(all_held), at first: $before"
check_eq "the devices are those of the configuration" "tun0 tun0-1" "$(devices | grep -oE 'tun[0-9-]+' | xargs)"
check_eq "no process was restarted but those that were killed" 8 "$(grep -c 'is back after' "$rig_dir/culvertd.log")"
rig_end
