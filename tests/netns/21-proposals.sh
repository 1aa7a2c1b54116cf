#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154
# What clients offer, in their order and written down as they do it, and what comes of it: by
# default, with `proposals legacy`, and where an ike statement names something.
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "every client's proposals"
must test -x "$build/culvert-dial"
[ -x "$build/culvert-iked" ] || rig_skip_all "no $build/culvert-iked (configure --with-strongswan)"
must dial_network

# ike_conf SED: the server's configuration becomes this, by a reload.
ike_conf()
{
	cp "$server_run/conf.plain" "$server_run/conf.new" && sed -i "$1" "$server_run/conf.new" &&
		cat "$server_run/conf.new" >"$server_run/conf" && ctl reload >/dev/null
}

# takes NAME MANNER IKE-LIST ESP-LIST IKE ESP [OPTION…]: a client with this list comes up and
# pings with that suite; IKE or ESP "-": refused in phase 1, or in Quick Mode.
takes()
{
	local name=$1 manner=$2 ike=$3 esp=$4 want_ike=$5 want_esp=$6 got=0
	shift 6
	dial list --timeout 20 --manner "$manner" --ike "$ike" --esp "$esp" --ping 20 --hold 1 "$@" || got=$?
	if [ "$want_esp" = - ]; then
		check "$name: refused" test $got != 0
		check "$name: by an error notification" grep -q 'NO-PROPOSAL-CHOSEN' "$rig_dir/list.dial"
		check_eq "$name: no SA" - "$(got list esp)"
		return
	fi
	check "$name: comes up" test $got = 0 || tail -n 3 "$rig_dir/list.dial"
	check_eq "$name: with" "$want_ike $want_esp" "$(got list ike) $(got list esp)"
	check "$name: pings" test "$(got list pings)" -gt 5
	check_eq "$name: none is lost" 0 "$(($(got list pings_lost) - $(got list pings_early)))"
}

apple_ike=aes256-sha256-modp2048,aes256-sha1-modp2048,aes256-md5-modp2048,aes256-sha512-modp2048
apple_ike+=,aes256-sha256-modp1536,aes256-sha1-modp1536,aes256-md5-modp1536
apple_ike+=,aes256-sha256-modp1024,aes256-sha1-modp1024,aes256-md5-modp1024
apple_ike+=,aes128-sha1-modp1024,aes128-md5-modp1024,3des-sha1-modp1024,3des-md5-modp1024
apple_esp=aes256-sha256,aes256-sha1,aes256-md5,aes128-sha256,aes128-sha1,aes128-md5,3des-sha256,3des-sha1,3des-md5
apple_old_esp=aes256-sha1,aes256-md5,aes128-sha1,aes128-md5,3des-sha1,3des-md5
windows_ike=aes256-sha1-ecp384,aes128-sha1-ecp256,aes256-sha1-modp2048,3des-sha1-modp2048,3des-sha1-modp1024
windows_esp=aes256-sha1,aes128-sha1,3des-sha1
android_ike=aes256-sha384-modp1024,aes256-sha256-modp1024,aes256-sha1-modp1024,aes256-md5-modp1024
android_ike+=,aes128-sha384-modp1024,aes128-sha256-modp1024,aes128-sha1-modp1024,aes128-md5-modp1024
android_ike+=,3des-sha1-modp1024,3des-md5-modp1024
android_esp=aes256-sha512,aes256-sha384,aes256-sha256,aes256-sha1,aes128-sha512,aes128-sha256,aes128-sha1,3des-sha1
nm_ike=aes256-sha256-modp2048,aes256-sha256-modp1536,aes256-sha256-modp1024,aes256-sha1-modp2048
nm_ike+=,aes256-sha1-modp1536,aes256-sha1-modp1024,aes256-sha1-ecp384,aes128-sha1-modp1024
nm_ike+=,aes128-sha1-ecp256,3des-sha1-modp2048,3des-sha1-modp1024
nm_esp=aes256-sha1,aes128-sha1,3des-sha1
nm_legacy_ike=aes256-sha1-ecp384,aes128-sha1-ecp256,3des-sha1-modp1024
mikrotik_ike=aes128-sha1-modp2048,aes128-sha1-modp1024,3des-sha1-modp2048,3des-sha1-modp1024
mikrotik_esp=aes256-sha1,aes192-sha1,aes128-sha1
xp_ike=3des-sha1-modp2048,3des-sha1-modp1024,3des-md5-modp1024
xp_esp=3des-md5,3des-sha1,des-md5

must dial_server 1.250
cp "$server_run/conf" "$server_run/conf.plain"

# --- by default ---
takes "Apple" racoon $apple_ike $apple_esp aes256-sha256-modp2048 aes256-sha1
takes "Apple before 2020" racoon $apple_ike $apple_old_esp aes256-sha256-modp2048 aes256-sha1
takes "Windows" windows $windows_ike $windows_esp aes256-sha1-ecp384 aes256-sha1
takes "NetworkManager-l2tp" own $nm_ike $nm_esp aes256-sha1-ecp384 aes256-sha1
takes "NetworkManager-l2tp, legacy" own $nm_legacy_ike $nm_esp aes256-sha1-ecp384 aes256-sha1
takes "MikroTik" racoon $mikrotik_ike $mikrotik_esp aes128-sha1-modp2048 aes256-sha1-modp1024 --pfs modp1024
takes "Android, which has only modp1024" racoon $android_ike $android_esp - -
takes "Windows XP" windows $xp_ike $xp_esp - -
for weak in aes256-sha1-modp1024 aes256-md5-modp2048 3des-sha1-modp2048; do
	takes "$weak alone" own $weak aes256-sha1 - -
done
for weak in 3des-sha1 aes256-md5 aes192-sha1 des-sha1; do
	takes "Quick Mode with $weak alone" own aes256-sha256-modp2048 $weak aes256-sha256-modp2048 -
done

# --- proposals legacy ---
check "reload with proposals legacy" ike_conf '1i set proposals legacy'
takes "legacy, Apple" racoon $apple_ike $apple_esp aes256-sha256-modp2048 aes256-sha1
takes "legacy, Windows" windows $windows_ike $windows_esp aes256-sha1-ecp384 aes256-sha1
takes "legacy, Android" racoon $android_ike $android_esp aes256-sha256-modp1024 aes256-sha1
takes "legacy, MikroTik" racoon $mikrotik_ike $mikrotik_esp aes128-sha1-modp2048 aes256-sha1-modp1024 --pfs modp1024
takes "legacy, Windows XP" windows $xp_ike $xp_esp 3des-sha1-modp2048 3des-sha1
takes "legacy, MD5" own 3des-md5-modp1024 3des-sha256 3des-md5-modp1024 3des-sha256

# --- words in the ike statement ---
check "reload with words in the ike statement" ike_conf \
	's/\(ike .*\) psk /\1 main auth hmac-sha1 enc 3des group modp1024 quick auth hmac-sha2-512 enc aes-256 psk /'
takes "words, what they name" own 3des-sha1-modp1024 aes256-sha512 3des-sha1-modp1024 aes256-sha512
takes "words, nothing else in phase 1" racoon aes256-sha256-modp2048,aes256-sha1-modp2048 aes256-sha512 - -
takes "words, nothing else in Quick Mode" own 3des-sha1-modp1024 aes256-sha1,aes128-sha512 3des-sha1-modp1024 -

# --- every suite of ESP by itself ---
check "reload with proposals legacy" ike_conf '1i set proposals legacy'
for enc in aes256 aes128 3des; do
	for auth in sha1 sha256 sha384 sha512; do
		takes "$enc-$auth" own aes256-sha256-modp2048 $enc-$auth aes256-sha256-modp2048 $enc-$auth
	done
done
for aead in aes256gcm16 aes128gcm16; do
	takes "$aead" own aes256-sha256-modp2048 $aead aes256-sha256-modp2048 $aead
done
check_eq "nothing was left out for want of cryptography" 0 "$(grep -c 'left out' "$rig_dir/culvertd.log")"

# --- a strongSwan without its OpenSSL plugin has no 3DES ---
if [ -n "${BUILD_ROOT:-}" ]; then
	skip "a strongSwan without OpenSSL" "the programs have another root than this script"
	rig_end
fi
kill -TERM "$server_pid"
check "the server ends" wait_for not rig_alive "$server_pid"
plugins=$(strings -n 12 "$(ls "$build"/.libs/libstrongswan-culvert.so "$build"/culvert-iked 2>/dev/null | head -n 1)" | grep -m 1 '/ipsec/plugins$')
: "${plugins:=/usr/lib/ipsec/plugins}"
cp -a "$plugins" "$rig_dir/plugins" && rm "$rig_dir/plugins/libstrongswan-openssl.so"
chmod 755 "$rig_dir" "$rig_dir/plugins"
# shellcheck disable=SC2016
start_ns srv culvertd bash -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' - "$rig_dir/plugins" "$plugins" \
	"$build/culvertd" -d -f "$server_run/conf" -r "$server_run"
server_pid=$started
wait_for server_up_or_dead
check_eq "one line says what is left out" 1 "$(grep -c 'ike proposals left out=' "$rig_dir/culvertd.log")"
check "and names it" grep -q 'left out=3 .* 3des-sha1-modp2048 3des-sha1-modp1024 3des-md5-modp1024$' "$rig_dir/culvertd.log"
takes "without OpenSSL, what is left out" own 3des-sha1-modp1024 3des-sha1 - -
takes "without OpenSSL, Windows" windows $windows_ike $windows_esp aes256-sha1-ecp384 aes256-sha1
rig_end
