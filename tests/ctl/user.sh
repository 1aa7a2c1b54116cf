#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# culvertctl user …: exit status, output, and what stands in the file afterwards.  Needs no
# root and no server: the file is ours.
: "${top_builddir:=.}"
ctl=$top_builddir/culvertctl
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0
umask 077
users=$tmp/users

# run STATUS ARGUMENT…: the streams are left in out and err.
run()
{
	want=$1
	shift
	case="$*"
	"$ctl" -u "$users" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	[ $status -eq "$want" ] || { cat "$tmp/err"; fail "exit status $status, expected $want"; }
}
# The same with standard input from a file: a redirection of run would be its own.
run_stdin()
{
	want=$1 from=$2
	shift 2
	case="$*"
	"$ctl" -u "$users" "$@" >"$tmp/out" 2>"$tmp/err" <"$from"
	status=$?
	[ $status -eq "$want" ] || { cat "$tmp/err"; fail "exit status $status, expected $want"; }
}
is() { printf '%s' "$2" | diff -u - "$tmp/$1" || fail "$1 is different"; }
says() { grep -q -- "$2" "$tmp/$1" || { cat "$tmp/$1"; fail "$1 does not say: $2"; }; }
# file_is: what comes by standard input; not behind a pipe, where it could not fail.
file_is() { diff -u - "$users" || fail "the file is different"; }
fail() { echo "culvertctl $case: $*"; bad=1; }

# --- the first one makes the file ---
run 1 user list
says err "users cannot be opened: No such file"
run 0 user add alice
says out '^Account   alice$'
says out '^Password  [a-z2-9-]*$'
is err ''
password=$(sed -n 's/^Password  //p' "$tmp/out")
[ "$(printf %s "$password" | tr -dc 'abcdefghjkmnpqrstuvwxyz23456789' | wc -c)" -ge 21 ] || fail "fewer than 100 bits: $password"
printf 'alice:\\\n\t:password=%s:\n' "$password" >"$tmp/want"
file_is <"$tmp/want"
[ "$(stat -c %a "$users")" = 600 ] || fail "mode $(stat -c %a "$users")"
run 0 user add alan
[ "$(sed -n 's/^Password  //p' "$tmp/out")" != "$password" ] || fail "the same password twice"

# --- a file that a person wrote stays as it is ---
cat >"$users" <<-'END'
	# mine: keep:password=this:

	carol:\
		:password=two\072goats:\
		:no-such-field=1:
	bad row
	dave:password=one-wolf:framed-ip-address=10.0.0.7:
END
chmod 640 "$users"
run 1 user add bob
says err 'holds secrets and is open to others: chmod 600'
chmod 400 "$users"
cp "$users" "$tmp/before"
printf 'quo"te:col\\on^\001\377 \000\n\n' >"$tmp/secret"
run_stdin 0 "$tmp/secret" user add bob stdin expires 2030-12-31T18:30Z max-session 2 framed-ip-address 10.0.0.9 calling-number '5 5'
is out 'Account   bob
'
{
	cat "$tmp/before"
	sed 's/^:/	&/' <<-'END'
	bob:\
		:password=quo"te\072col\\on\^\001\377 \000\012:\
		:framed-ip-address=10.0.0.9:\
		:calling-number=5 5:\
		:expires=2030-12-31T18\07230Z:\
		:max-session=2:
	END
} >"$tmp/want"
file_is <"$tmp/want"
[ "$(stat -c %a "$users")" = 400 ] || fail "mode $(stat -c %a "$users")"
run 1 user add bob
says err 'there is this user already, at line 8'
run 0 user disable carol
is out 'Disabled  carol
'
run 0 user disable carol
is out 'Disabled  carol
'
printf 'another secret' >"$tmp/secret"
run_stdin 0 "$tmp/secret" user passwd dave stdin store nt-hash
run 0 user del bob
is out 'Removed   bob
'
file_is <<-'END'
	# mine: keep:password=this:

	carol:disabled:\
		:password=two\072goats:\
		:no-such-field=1:
	bad row
	dave:nt-hash=0898ff2c0e2516c4130a6a7847d9e274:framed-ip-address=10.0.0.7:
END
run 0 user enable carol
run_stdin 0 "$tmp/secret" user passwd carol stdin store crypt
is err ''
grep -q ':crypt=$y$j9T$[^:]*:\\$' "$users" || fail "no crypt hash"
run 0 user add erin generate store crypt
says out '^Password  '

# --- what is there ---
run 0 user list
sed 's/  *$//' "$tmp/out" | diff -u - "$tmp/out" || fail "blanks at the end of a line"
diff -u - "$tmp/out" <<-'END' || fail "other lines"
	Username             State    Secret   Expires          Sessions Address
	-------------------- -------- -------- ---------------- -------- ---------------
	carol                active   crypt    -                       - -
	dave                 active   nt-hash  -                       - 10.0.0.7
	erin                 active   crypt    -                       - -
END
is err "culvertctl: $users: 1 rows have a mistake and are left out; culvertd -n says which
"
run_stdin 0 "$tmp/secret" user add "$(printf 'f\303\266\\x')" stdin expires 2001-01-01 max-session 0
run 0 user show "$(printf 'f\303\266\\x')"
sed 's/: [0-9]* of/: N of/' "$tmp/out" | diff -u - /dev/fd/3 3<<-END || fail "other lines"
	Username        : f\\xc3\\xb6\\x
	State           : expired
	Secret          : password
	Expires         : 2001-01-01
	Sessions        : no limit
	Address         : of the pool
	Line            : N of $users
END
run 1 user show nobody
says err 'there is no such user'
for case in list 'show carol' 'show dave'; do
	# shellcheck disable=SC2086 # words
	"$ctl" -u "$users" user $case 2>&1
done | grep -E 'another secret|\$y\$|0898ff2c|goats' && fail "a secret is shown"

# --- what is refused leaves the file alone ---
cp -p "$users" "$tmp/before"
ino=$(stat -c %i "$users")
: >"$tmp/empty"
head -c 1025 /dev/zero | tr '\0' x >"$tmp/long"
run_stdin 1 "$tmp/empty" user passwd carol stdin
says err 'the password is empty'
run_stdin 1 "$tmp/long" user passwd carol stdin
says err 'longer than 1024 bytes'
run_stdin 1 "$tmp/long" user passwd carol stdin store nt-hash
run 1 user del nobody
run 1 user passwd nobody
run 1 user add gina framed-ip-network 255.0.255.0 framed-ip-address 10.0.0.1
says err 'framed-ip-network is no netmask'
run 2 user add gina password=secret
run 2 user passwd carol secret
run 2 user add 'a:b'
run 2 user add ''
run 2 user
cmp -s "$users" "$tmp/before" && [ "$(stat -c %i "$users")" = "$ino" ] || fail "it was written all the same"
printf 'password\n' >"$tmp/weak"
run_stdin 0 "$tmp/weak" user passwd carol stdin
says err 'warning: the password is made of common words'

# --- the last one ---
printf 'alice:password=two-goats-one-wolf:\n' >"$users"
run 1 user del alice
says err 'he is the last one, and an empty file leaves him in force: disable him'
run 0 user disable alice

# --- which file: the configuration says ---
case='-f'
ike='ike psk "tail-gunner-osprey-lilac"'
cat >"$tmp/one.conf" <<-END
	$ike
	authentication LOCAL type local { users-file "users" }
END
cat >"$tmp/two.conf" <<-END
	$ike
	tunnel T protocol l2tp { }
	ipcp P { pool-address 10.1.0.0/24 }
	interface pppx0 address 10.2.0.1 ipcp P
	authentication LOCAL type local { users-file "users" }
	authentication STAFF type local { users-file "staff"
	username-suffix "@staff" }
	bind tunnel from T authenticated by LOCAL to pppx0
	bind tunnel from T authenticated by STAFF to pppx0
END
status_is()
{
	want=$1
	shift
	case="$*"
	"$ctl" -s "$tmp/nobody.sock" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	[ $status -eq "$want" ] || { cat "$tmp/err"; fail "exit status $status, expected $want"; }
}
status_is 0 -f "$tmp/one.conf" user enable alice
is err ''
status_is 1 -f "$tmp/two.conf" user list
says err 'several users files: say whose with -a'
status_is 0 -f "$tmp/two.conf" -a STAFF user add sam
[ -f "$tmp/staff" ] || fail "no file"
status_is 1 -f "$tmp/two.conf" -a NONE user list
says err 'no authentication NONE of type local'
status_is 1 -f "$tmp/none.conf" user list
says err 'name the file with -u'

# --- two writers, one killed in the middle, an editor ---
case='many at once'
printf 'zoe:password=two-goats-one-wolf:\n' >"$users"
n=1
while [ $n -le 20 ]; do
	"$ctl" -u "$users" user add user$n >"$tmp/many.$n" 2>&1 &
	n=$((n + 1))
done
wait
[ "$(grep -c '^user' "$users")" = 20 ] && grep -q '^zoe:' "$users" || { cat "$tmp"/many.*; fail "some are missing"; }
case='what a writer leaves that was killed'
echo 'half of it' >"$tmp/.users.new"
run 0 user del user7
[ ! -e "$tmp/.users.new" ] || fail "it is there yet"
case='killed at any moment'
for n in 1 2 3 4 5 6 7 8 9 10; do
	"$ctl" -u "$users" user add "kill$n" >/dev/null 2>&1 &
	pid=$!
	sleep "0.00$n"
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	run 0 user list
	[ "$(grep -c '^user' "$tmp/out")" = 19 ] || fail "others are gone"
	is err ''
done
case='while another one holds it'
if command -v flock >/dev/null; then
	flock -o "$tmp" sh -c "'$ctl' -u '$users' user del user1 >'$tmp/late' 2>&1 & sleep 1; [ ! -s '$tmp/late' ] && grep -q '^user1:' '$users'" ||
		fail "it did not wait"
	n=0
	while grep -q '^user1:' "$users" && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
	grep -q '^user1:' "$users" && fail "it waits for ever"
fi
exit $bad
