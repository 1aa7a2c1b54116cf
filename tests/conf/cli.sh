#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# culvertd -n and -nv as a person runs them: exit status, what goes to which stream, standard
# input, users files.  Needs no root: the files are ours.
: "${top_builddir:=.}"
culvertd=$top_builddir/culvertd
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0
umask 077

# run STATUS ARGUMENT…: the streams are left in out and err; notes on the networks of the
# machine that runs this are none of ours.
run()
{
	want=$1
	shift
	"$culvertd" "$@" >"$tmp/out" 2>"$tmp/err.all"
	status=$?
	grep -v "is in the network of this host's" "$tmp/err.all" >"$tmp/err"
	[ $status -eq "$want" ] || fail "exit status $status, expected $want"
}
# is OUT|ERR TEXT: that stream is just this.
is() { printf '%s' "$2" | diff -u - "$tmp/$1" || fail "$1 is different"; }
says() { grep -q -- "$2" "$tmp/$1" || { cat "$tmp/$1"; fail "$1 does not say: $2"; }; }
fail() { echo "culvertd $case: $*"; bad=1; }

ike='ike psk "tail-gunner-osprey-lilac"'
ok='configuration OK
'
cat >"$tmp/good.conf" <<-END
	$ike
	authentication LOCAL type local { users-file "users" }
END
printf 'alice:\\\n\t:password=two-goats-one-wolf:\n' >"$tmp/users"

case='-n, a good file'
run 0 -n -f "$tmp/good.conf"
is out ''
is err "$ok"

case='-nv, a good file'
run 0 -nv -f "$tmp/good.conf"
is err "$ok"
cp "$tmp/out" "$tmp/canonical"
case='-nv, what -nv printed'
run 0 -nv -f "$tmp/canonical"
is err "$ok"
cmp "$tmp/out" "$tmp/canonical" || fail "it prints something else"
case='-nv, by standard input'
run 0 -nv -f - <"$tmp/canonical"
is err "$ok"
cmp "$tmp/out" "$tmp/canonical" || fail "it prints something else"

case='-n, a pipe with a mistake'
printf 'set engins 3\n' | { run 1 -n -f -; [ $bad -eq 0 ]; } || bad=1
says err '^stdin:1:5: unknown setting "engins"; did you mean "engines"?$'
is out ''

case='-nv, a file with a mistake'
echo 'set engins 3' >"$tmp/bad.conf"
run 1 -nv -f "$tmp/bad.conf"
is out ''
says err '/bad.conf:1:5: unknown setting'

case='-n, no such file'
run 1 -n -f "$tmp/none.conf"
says err '/none.conf: cannot be opened: No such file'

case='-n, a file that others may read'
chmod 644 "$tmp/good.conf"
run 1 -n -f "$tmp/good.conf"
says err "it holds a secret and others may read it: chmod 600 $tmp/good.conf"
chmod 600 "$tmp/good.conf"

case='-n, an interface that is not there'
(cat "$tmp/good.conf" && echo 'firewall { nat on nosuchif0 }') >"$tmp/nat.conf"
run 0 -n -f "$tmp/nat.conf"
says err '/nat.conf:3:19: warning: there is no interface nosuchif0 on this host yet, and without it clients'

case='-n, users'
printf 'alice:\\\n\t:password=alice123:\\\n\t:pasword=x:\nbob:\n\t:password=x:\n' >"$tmp/users"
run 0 -n -f "$tmp/good.conf"
says err "users:1:1: warning: alice: the password is little more than the user's name"
says err 'users:3:3: warning: alice: field pasword is unknown and ignored; did you mean password?'
says err 'users:4:1: warning: bob: there is no password'
grep -q 'alice123' "$tmp/err" && fail "it shows a password"
case='-n, an address outside the pools'
printf 'alice:password=two-goats-one-wolf:framed-ip-address=192.168.87.99:\nbob:password=two-goats-one-wolf:%s:\n' \
	framed-ip-address=192.168.88.1 >"$tmp/users"
run 0 -n -f "$tmp/good.conf"
is err "$tmp/users:2:1: warning: bob: framed-ip-address 192.168.88.1 is in no pool-address of this user's ipcp: \
another address is given
$ok"
case='-n, networks of users'
(cat "$tmp/good.conf" && echo 'ipcp P { pool-address 10.1.0.0/24
pool-address 10.2.0.0/24 for static
}
interface pppx0 address 10.3.0.1 ipcp P') >"$tmp/net.conf"
for user in 1:10.2.0.9:248 2:10.2.0.9:0 3:10.1.0.9:248 4:10.2.1.1:252; do
	echo "${user%%:*}:password=two-goats-one-wolf:framed-ip-address=${user#*:}" |
		sed 's/:\([0-9]*\)$/:framed-ip-network=255.255.255.\1:/'
done >"$tmp/users"
echo '5:password=two-goats-one-wolf:framed-ip-network=255.255.255.0:' >>"$tmp/users"
run 0 -n -f "$tmp/net.conf"
says err 'users:3:1: warning: 3: the framed-ip-network of 10.1.0.9 is not in one pool-address "for static"'
says err 'users:4:1: warning: 4: the framed-ip-network of 10.2.1.1 is not'
says err 'users:5:1: warning: 5: framed-ip-network without a framed-ip-address is ignored'
grep -qE 'users:[12]:1' "$tmp/err" && fail "it warns of a network that will do"
case='-n, numbers that nobody looks at, or that are missing'
printf 'alice:password=two-goats-one-wolf:calling-number=5551234:\nbob:password=two-goats-one-wolf:\n' >"$tmp/users"
run 0 -n -f "$tmp/good.conf"
is err "$tmp/users:1:1: warning: alice: calling-number is not looked at: no tunnel of this user's has callnum-check yes
$ok"
(cat "$tmp/good.conf" && echo 'tunnel T protocol l2tp { callnum-check yes }') >"$tmp/num.conf"
run 0 -n -f "$tmp/num.conf"
is err "$tmp/users:2:1: warning: bob: without a calling-number he cannot come by a tunnel with callnum-check yes
$ok"
case='-n, an empty users file'
: >"$tmp/users"
run 0 -n -f "$tmp/good.conf"
says err 'users: warning: no user stands in it'

case='-nv, nowhere to print'
if [ -w /dev/full ]; then
	"$culvertd" -nv -f "$tmp/good.conf" >/dev/full 2>"$tmp/err"
	[ $? -eq 1 ] || fail "a failed print is not reported"
fi

for case in '-x' '-n extra' '-d -f -'; do
	# shellcheck disable=SC2086 # words
	run 2 $case
	is out ''
done
exit $bad
