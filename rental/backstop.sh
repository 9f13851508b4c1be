# Ends the lease of the instance that it runs in, whoever else is gone.
# $1: origin of the API; $2: nonce of the lease that it was rented under; $3: its
# end as 14 digits if that erases the instance. Leases only get longer, so that a
# label that says destroy before it was edited.
set +e +u -f
umask 077
export LC_ALL=C
cd /
command -v sleep >/dev/null || PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
url=$1/api/v0/instances/$CONTAINER_ID/ nonce=$2 granted=$3
nl='
'
cr=$(printf '\r') a='[0-9a-z]' d='[0-9]'
a4=$a$a$a$a d2=$d$d

# When process $1 began: a later one of the same number began later.
born() {
	read -r stat <"/proc/$1/stat" || return
	set -- ${stat##*) }
	[ "$1" != Z ] && echo "${20}"
}

# Whether another one has this job. Of several the last to write its name stays.
other() {
	read -r pid since <"$dir/pid" && [ "$pid" != $$ ] && [ "$since" ] && [ "$(born "$pid")" = "$since" ]
}

keep() { echo "$2" >"$dir/$1.$$" && mv "$dir/$1.$$" "$dir/$1"; }

# Makes ask METHOD BODY, which prints an answer below its head. The key is never
# an argument: others can read those.
arm() {
	limit=
	timeout 60 true && limit='timeout 60'
	auth="Authorization: Bearer $CONTAINER_API_KEY" json='Content-Type: application/json'
	if command -v curl; then
		ask() {
			printf 'header = "%s"\n' "$auth" "$json" | $limit curl -q -s -i -m 30 -K - -X "$1" ${2:+-d "$2"} "$url"
		}
	elif case $(wget --help 2>&1) in *--method*) ;; *) false ;; esac && keep wgetrc "header = $auth${nl}header = $json"; then
		ask() {
			WGETRC=$dir/wgetrc $limit wget -q -O - --save-headers -T 30 -t 1 --max-redirect=0 --method="$1" ${2:+--body-data="$2"} "$url"
		}
	elif command -v python3; then
		ask() {
			$limit python3 -IS -c '
import os, sys
from http.client import *
from urllib.parse import urlsplit
_, method, url, body = sys.argv
u = urlsplit(url)
c = (HTTPSConnection if u.scheme == "https" else HTTPConnection)(u.netloc, timeout=30)
c.request(method, u.path, body or None, {"Authorization": "Bearer " + os.environ["CONTAINER_API_KEY"], "Content-Type": "application/json"})
r = c.getresponse()
sys.stdout.buffer.write(b"HTTP/1.1 %d\r\nDate: %s\r\n\r\n%s" % (r.status, r.headers["Date"].encode(), r.read()))' "$1" "$url" "$2"
		}
	else
		exit
	fi
}

# Sets now from the head of a good answer.
clock() {
	IFS=$cr$nl status= date=
	for line in $1; do
		case $line in
		HTTP/*) status=$line ;;
		[Dd][Aa][Tt][Ee]:*) date=${line#*:} ;;
		esac
	done
	unset IFS
	set -- $status
	[ "$2" = 200 ] || return
	IFS=' ,:'
	set -- $date
	unset IFS
	case $3 in
	Jan) now=01 ;; Feb) now=02 ;; Mar) now=03 ;; Apr) now=04 ;; May) now=05 ;; Jun) now=06 ;;
	Jul) now=07 ;; Aug) now=08 ;; Sep) now=09 ;; Oct) now=10 ;; Nov) now=11 ;; Dec) now=12 ;;
	*) return 1 ;;
	esac
	now=$4$now$2$5$6$7
	case $now$8 in $d2$d2$d2$d2$d2$d2${d2}GMT) ;; *) return 1 ;; esac
}

# Sets label to the instance's own, as JSON writes it. Scripts and variables in
# the answer may look like it: quotes and depth tell.
named() {
	IFS=\"
	set -- $1
	depth=0 text= inside= want= found=
	for part do
		if [ "$inside" ]; then
			text=$text$part part=${part##*[!\\]}
			if [ $((${#part} % 2)) = 1 ]; then
				text=$text\"
				continue
			fi
			inside=
			[ "$want" ] && label=$text found=1
			continue
		fi
		unset IFS
		set -- $part
		IFS=
		part="$*" inside=1 want=
		case $depth\"$text\"$part in
		2\"label\":) want=1 ;;
		2\"label\":null*) label= found=1 ;;
		esac
		while [ "$part" ]; do
			case $part in
			[[{]*) depth=$((depth + 1)) ;;
			[]}]*) depth=$((depth - 1)) ;;
			esac
			part=${part#?}
		done
		text=
	done
	unset IFS
	[ "$found" ] && [ $depth = 0 ]
}

# Sets until and action from a well-formed tail, the only one and at the very
# end. What was not rented under it is not destroyed by it.
lease() {
	tail=${label##*'[vm:'}
	[ "${label%'[vm:'*}" = "${label%%'[vm:'*}" ] || return
	case $tail in $a4$a4$a4$a4' until:'$d2$d2-$d2-${d2}T$d2:$d2:${d2}'Z '*) ;; *) return 1 ;; esac
	rest=${tail#*Z }
	does=${rest%%[!a-z]*}
	case $does in stop | destroy) ;; *) return 1 ;; esac
	case ${rest#$does} in
	']' | ' idle:'$d'm]' | ' idle:'$d2'm]' | ' idle:'$d$d2'm]' | ' idle:'$d2$d2'm]') ;;
	*) return 1 ;;
	esac
	rest=${tail#* until:}
	IFS=-T:
	set -- ${rest%%Z*}
	unset IFS
	days=31 year=$((1$1 - 10000))
	case $2 in
	0[469] | 11) days=30 ;;
	02) days=$((28 + (year % 4 == 0 && year % 100 != 0 || year % 400 == 0))) ;;
	0[1-9] | 1[02]) ;;
	*) return 1 ;;
	esac
	[ "$3" -ge 1 ] && [ "$3" -le $days ] && [ "$4" -le 23 ] && [ "$5" -le 59 ] && [ "$6" -le 59 ] || return
	until=$1$2$3$4$5$6 action=stop
	case $does$tail in "destroy$nonce "*) [ "$until" -ge "${granted:-99999999999999}" ] && action=destroy ;; esac
	return 0
}

# Sets what the label says. A label that lost its tail does not end a lease: the
# last good deadline holds, as a stop.
judge() {
	while :; do
		case $label in
		*\\[tnrf]) label=${label%??} ;;
		*\\u0020 | *\\u000[9AaCcDd]) label=${label%??????} ;;
		*' ') label=${label%?} ;;
		*) break ;;
		esac
	done
	case $label in *'[vm-released]')
		rm -f "$dir/until"
		until= saved=
		return
		;;
	esac
	if lease; then
		[ "$until" = "$saved" ] || keep until "$until"
		saved=$until
	else
		until=$saved action=stop
	fi
}

# Reads the lease, and says whether it is over. Not known is no.
over() {
	other && exit
	head= answer=$(ask GET) || return
	while case $answer in HTTP/*"$cr$nl$cr$nl"*) ;; *) false ;; esac; do # a proxy has a head of its own
		head=${answer%%"$cr$nl$cr$nl"*} answer=${answer#*"$cr$nl$cr$nl"}
	done
	case $answer in [{]*) ;; *) return 1 ;; esac
	clock "$head" && named "$answer" && judge && [ "$until" ] && [ "$now" -ge "$until" ]
}

main() {
	case $CONTAINER_ID in '' | *[!0-9]*) exit ;; esac
	case $CONTAINER_API_KEY in '' | *[!0-9A-Za-z._~+/=-]*) exit ;; esac
	# These only hurry it, for tests.
	poll=${VAST_MCP_POLL:-120} grace=${VAST_MCP_GRACE:-60}
	case $poll in $d | [1-9]$d | 1[01]$d) ;; *) poll=120 ;; esac
	case $grace in $d | [1-5]$d) ;; *) grace=60 ;; esac
	for dir in "${VAST_MCP_DIR:-/var/lib/vast-mcp}" "$HOME/.vast-mcp" /tmp/.vast-mcp; do
		mkdir -p "$dir" && [ -w "$dir" ] && break
	done
	other && exit
	keep pid "$$ $(born $$)"
	arm
	saved=
	read -r saved <"$dir/until"
	while :; do
		if over && sleep "$grace" && over; then
			case $action in
			destroy) ask DELETE '{}' ;;
			stop) ask PUT '{"state":"stopped"}' ;;
			esac
		fi
		sleep $((poll - poll / 8 + CONTAINER_ID % (poll / 4 + 1))) || command -v sleep || exit
	done
}

main
