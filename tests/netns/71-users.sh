#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Users who come and go while the server runs: culvertctl user, an editor, files that break,
# hashes in place of passwords, guessing.  All over plain L2TP: it is about users.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "users who come and go"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

must dial_network
must dial_server 1.250 60 "s/listen on $OUTER/&\n l2tp-require-ipsec no/; s/-method mschapv2/-method mschapv2 chap pap/
	1a set user-max-session 2 refuse"
users=$server_run/users
log=$rig_dir/culvertd.log

# user COMMAND…: culvertctl user, of this server.
user() { ctl -f "$server_run/conf" user "$@"; }
# login TAG USER PASSWORD OPTION…: by plain L2TP, from an address of its own.
addresses=0
login()
{
	local tag=$1 name=$2 password=$3
	shift 3
	printf '%s\n' "$password" >"$rig_dir/password.$tag"
	addresses=$((addresses + 1))
	ns cli timeout 100 "$build/culvert-dial" -s $OUTER --no-ipsec -u "$name" -p "@$rig_dir/password.$tag" \
		--from 198.18.$((addresses / 200 + 10)).$((addresses % 200 + 1))/32 --timeout 15 "$@" >"$rig_dir/$tag.dial" 2>&1
}
# stay TAG USER PASSWORD: in the background, until it is up.
stay()
{
	local tag=$1
	printf '%s\n' "$3" >"$rig_dir/password.$tag"
	addresses=$((addresses + 1))
	start_ns cli "$tag" "$build/culvert-dial" -s $OUTER --no-ipsec -u "$2" -p "@$rig_dir/password.$tag" \
		--from 198.18.$((addresses / 200 + 10)).$((addresses % 200 + 1))/32 --hold 900 --time
	wait_for grep -q ' up ' "$rig_dir/$tag.log"
}
# sessions USER: how many.
sessions() { ctl -n session brief | awk -v u="$1" '$3 == u' | wc -l; }
sessions_are() { [ "$(sessions "$1")" = "$2" ]; }
# ended TAG WHY: its session ends; that takes five seconds at most, and the bound is five times that.
ended()
{
	local begin
	begin=$(date +%s%N)
	RIG_WAIT=25 wait_for grep -q 'ended phase=' "$rig_dir/$1.log" || return 1
	note "ended $((($(date +%s%N) - begin) / 1000000)) ms later"
	grep -q "session down user=\"$2\".*$3" "$log"
}
why() { sed -nE "s/.*login failed user=.$1. .* reason=\"(.*)\"/\\1/p" "$log" | tail -n 1; }
alarm() { ctl status | sed -n 's/^ALARM: //p'; }

# --- a new user, with any byte in his password ----------------------------------------

odd=$(printf 'a:b\\c^d"e'\''f|g#h =\001\033\351\377\303\251 ')
check "a password with every odd byte" eval 'printf "%s\n" "$odd" | user add odd stdin >"$rig_dir/out"'
check_eq "  nothing of it is shown" "Account   odd" "$(cat "$rig_dir/out")"
for method in mschapv2 chap pap; do
	check "  it is his at once, by $method" login odd odd "$odd" --auth $method
	check "  and not without its last byte" eval '! login odd odd "${odd% }" --auth $method'
done
user add made >"$rig_dir/out"
check "a password that was made is his" login made made "$(sed -n 's/^Password  //p' "$rig_dir/out")"
check "a hash for MS-CHAPv2" eval 'echo "nt pass-word 7" | user add nt stdin store nt-hash'
check "a hash for PAP" eval 'echo "crypt pass-word 7" | user add crypted stdin store crypt'
check "no password of the two stands in the file" not grep -q 'pass-word 7:.*' <(grep -A1 -E '^(nt|crypted)' "$users")
check "nt-hash by mschapv2" login nt nt 'nt pass-word 7' --auth mschapv2
check "nt-hash by pap" login nt nt 'nt pass-word 7' --auth pap
check "nt-hash not by chap" eval '! login nt nt "nt pass-word 7" --auth chap'
check_eq "  and the log says why" "nt-hash in the users file serves MS-CHAPv2, not CHAP" "$(why nt)"
check "crypt by pap" login crypted crypted 'crypt pass-word 7' --auth pap
check "crypt not by mschapv2" eval '! login crypted crypted "crypt pass-word 7" --auth mschapv2'
check_eq "  and the log says why" "crypt in the users file serves PAP, not MS-CHAPv2" "$(why crypted)"
check "the server warned of it" logged 'crypt serves PAP alone: a client that agrees to another method'
check "an empty password is nobody's" eval '! login odd odd "" --auth pap && ! login nt nt "" --auth pap && ! login crypted crypted "" --auth pap'
check "alice as before" login alice alice "$(password_of alice)"

# --- who goes is sent away -------------------------------------------------------------

must stay witness alice "$(password_of alice)"
must stay bob bob "$(password_of bob)"
check "bob is disabled" user disable bob
check "  his session ends" ended bob bob 'the user was disabled'
check "  he cannot come back" eval '! login back bob "$(password_of bob)"'
check_eq "  and the log says why" "the user is disabled" "$(why bob)"
check "  enabled he can" eval 'user enable bob && login back bob "$(password_of bob)"'
must stay bob bob "$(password_of bob)"
check "another password for him" eval 'echo "bob pass-word 8" | user passwd bob stdin'
check "  the old one is his no more" eval '! login back bob "$(password_of bob)"'
check "  the new one is" login back bob "bob pass-word 8"
check_eq "  his session has stayed" 1 "$(sessions bob)"
check "bob is removed" user del bob
check "  his session ends" ended bob bob 'the user was removed'
check "  he cannot come back" eval '! login back bob "bob pass-word 8"'
must stay carol carol "$(password_of carol)"
sed "s/^carol:/&expires=$(date -u -d '5 seconds' +%Y-%m-%dT%H%M%S)Z:/" "$users" >"$rig_dir/edit" && cat "$rig_dir/edit" >"$users"
check "carol expires, by an editor that writes in place: her session ends" ended carol carol 'the user has expired'
check_eq "  not before that time" 1 "$(($(date +%s) >= $(date -d "$(sed -nE 's/^carol:expires=(.{13})(..)(..)Z.*/\1:\2:\3Z/p' "$users")" +%s)))"
check "  she cannot come back" eval '! login back carol "$(password_of carol)"'
check_eq "  and the log says why" "the user has expired" "$(why carol)"
sed -i 's/^\(carol:\)expires=[^:]*:/\1/' "$users"
check "  without it she can, within seconds" wait_for login back carol "$(password_of carol)"
must stay carol carol "$(password_of carol)"
sed -i 's/^carol:/&framed-ip-address=no:/' "$users"
check "a mistake in her row: the alarm says so" wait_for eval '[ "$(alarm)" = "users file $users: 1 rows have a mistake and are left out; culvertd -n says which" ]'
check "  and she stays" sessions_are carol 1
sed -i 's/^\(carol:\)framed-ip-address=no:/\1/' "$users"
check "  it is mended" wait_for eval '[ -z "$(alarm)" ]'
sed -i 's/users-file.*/&\n disconnect-removed no/' "$server_run/conf"
check "disconnect-removed no" eval 'ctl reload >"$rig_dir/out" && user del carol'
check "  carol stays, by a reload too" eval 'ctl reload && sessions_are carol 1'
sed -i '/disconnect-removed/d' "$server_run/conf"
check "disconnect-removed yes: a reload sees that she is gone" eval 'ctl reload | grep -q "^ended: carol .*the user was removed"'
check "alice has lost nothing" sessions_are alice 1

# --- a limit of one's own --------------------------------------------------------------

user add one max-session 1 >"$rig_dir/one"
user add many max-session 0 >"$rig_dir/many"
one=$(sed -n 's/^Password  //p' "$rig_dir/one") many=$(sed -n 's/^Password  //p' "$rig_dir/many")
must stay one1 one "$one"
check "one session, and not two" eval '! login one2 one "$one"'
check "  refused for that" grep -q 'login refused user="one" .*user-max-session reached' "$log"
for i in 1 2 3; do
	must stay many$i many "$many"
done
check_eq "as many as he wants, where others have two" 3 "$(sessions many)"

# --- files that break --------------------------------------------------------------------

cp -p "$users" "$rig_dir/good"
known=$(grep -c '^[a-z]*:' "$users")
# broken WHAT TEXT: users who were known are, nobody else is, and status says so.
broken()
{
	local says="ALARM: users file $users $2: the $known users that were known stay in force"
	check "$1: status begins with the alarm" wait_for eval '[ "$(ctl status | head -n 1)" = "$says" ]' || note "$(alarm)"
	check "  alice comes in" login broken alice "$(password_of alice)"
	check "  and with her password alone" eval '! login broken alice "" --auth pap && ! login broken alice x'
	check "  nobody else does" eval '! login broken nobody "" --auth pap && ! login broken nobody x && ! login broken "" "" --auth pap'
}
: >"$users"
broken "an empty file" "is empty now"
pid=$(pgrep -P "$server_pid" -f "culvertd -P auth")
check "auth is killed meanwhile" kill -KILL "$pid"
check "  and is back" wait_for grep -q 'auth is back' "$log"
broken "the same" "is empty now"
rm "$users"
broken "no file" "cannot be had ($users cannot be opened: No such file or directory)"
echo 'just junk' >"$users" && chmod 600 "$users"
broken "junk" "has no user without a mistake now"
cp "$rig_dir/good" "$users" && chmod 644 "$users"
broken "a file that others may read" "cannot be had ($users holds secrets and is open to others: chmod 600 $users)"
check "nobody was sent away" eval 'sessions_are alice 1 && sessions_are many 3'
chmod 600 "$users"
check "it is mended: no alarm" wait_for eval '[ -z "$(alarm)" ]'
check "an editor is at the file meanwhile: nothing of his is lost" eval '
	for i in 1 2 3 4 5 6 7 8 9 10; do sed -i "1i # $i" "$users"; done & user add late >/dev/null; wait $!
	[ "$(grep -c "^# " "$users")" = 10 ]'

# --- what strangers learn ----------------------------------------------------------------

user add off >/dev/null && user disable off >/dev/null
# read_answers: those in the capture; but for challenge and identifier.
read_answers()
{
	python3 - "$rig_dir/answer.pcap" <<-'END'
	import re, struct, sys
	data = open(sys.argv[1], "rb").read()
	at = 24
	while at + 16 <= len(data):
	    n = struct.unpack("<I", data[at + 8:at + 12])[0]
	    p = data[at + 16:at + 16 + n]
	    at += 16 + n
	    ip = p[14:]
	    if p[12:14] != b"\x08\x00" or ip[9] != 17 or ip[12:16] != bytes([192, 0, 2, 1]):
	        continue
	    u = ip[28:]
	    for proto in (b"\xc0\x23", b"\xc2\x23"):
	        i = u.find(proto)
	        if not u[0] & 0x80 and i > 0 and u[i + 2] in (2, 3, 4):
	            text = re.sub(rb"C=[0-9A-F]{32}", b"C=", u[i + 4:])
	            print(len(ip), u[i + 2], text)
	END
}
answered() { [ -n "$(read_answers)" ]; }
# answers METHOD USER: what the server answers to a wrong password, to the byte.
answers()
{
	rm -f "$rig_dir/answer.pcap"
	start_ns srv answer tcpdump -i out0 -n -U --immediate-mode -w "$rig_dir/answer.pcap" udp
	wait_for grep -q 'listening on' "$rig_dir/answer.log" || return 1
	login answer "$2" "a wrong password" --auth "$1"
	wait_for answered
	rig_kill TERM "$started"
	read_answers
}
for method in mschapv2 chap pap; do
	unknown=$(answers $method nobody2)
	check "$method: a stranger is answered" test -n "$unknown"
	note "$unknown"
	check_eq "  a wrong password is answered the same" "$unknown" "$(answers $method alice)"
	check_eq "  so is who is disabled" "$unknown" "$(answers $method off)"
	check_eq "  and who has a hash" "$unknown" "$(answers $method nt)"
done

# --- guessing ------------------------------------------------------------------------------

user add joe >"$rig_dir/joe"
joe=$(sed -n 's/^Password  //p' "$rig_dir/joe")
home=$((addresses + 1))
check "joe at home" login home joe "$joe"
# judged: logins that were judged, and not let in.
judged() { echo $(($(counter denied) - $(counter held_user) - $(counter held_source))); }
# Ten are free; the thirteenth closes him for eight seconds.
before=$(counter held_user) last=$(($(judged) + 13))
guesses()
{
	ns cli timeout 60 "$build/culvert-dial" -s $OUTER --no-ipsec -u joe -p guess -n 12 -w 12 --from 198.18.200.0/24 \
		--timeout 5 >"$rig_dir/guess.dial" 2>&1
	[ "$(judged)" -ge $last ]
}
check "somebody guesses, from many addresses" wait_for guesses
check "  joe is closed for strangers" eval '! login away joe "$joe"'
check "  the log says so" grep -qE 'login failed user="joe" .*reason="wrong passwords of this user: [0-9]+ s to wait"' "$log"
check "  and status counts" test "$(counter held_user)" -gt "$before"
check "  he is told that it is the wrong password" grep -q 'E=691 R=0' "$rig_dir/away.dial"
n=$addresses addresses=$((home - 1))
check "at home he is not closed out" login home joe "$joe"
addresses=$n
check "alice is not either" login alice alice "$(password_of alice)"
check "after a while he comes in from elsewhere" wait_for login away joe "$joe"
check "everything of the witness was quiet" sessions_are alice 1
rig_end
