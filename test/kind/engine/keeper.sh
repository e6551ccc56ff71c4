#!/bin/sh
# Keeps a private docker engine and ends it, with all its containers and its state folder, when the process that started it has ended in whatever
# way: standard input, a pipe whose other end only that process holds, ends then. After the word "keep" the engine stays until somebody ends dockerd.
# Arguments: the state folder, the folder of its data, and what its bridges' names begin with.
state=$1 data=$2 bridge=$3
trap '' INT HUP TERM
clean() { # what an engine leaves in the kernel, more if it was killed: mounts, the deepest first, and bridges; and its memory of the latter
  awk -v a="$state/" -v b="$data/" 'index($2, a) == 1 || index($2, b) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l
  for link in /sys/class/net/"$bridge"*; do [ ! -e "$link" ] || ip link delete "${link##*/}"; done
  rm -rf "$data/docker/network"
}
clean
# An engine that is told to have no default bridge removes docker0, whosever it is; one with a bridge of its own leaves it alone.
ip link add "$bridge" type bridge
(trap - INT HUP TERM && exec containerd --config "$state/containerd.toml" </dev/null >>"$state/containerd.log" 2>&1) &
containerd=$!
(trap - INT HUP TERM && exec dockerd --config-file "$state/daemon.json" </dev/null >>"$state/dockerd.log" 2>&1) &
dockerd=$!
while read -r word; do
  if [ "$word" = keep ]; then
    wait $dockerd
    break
  fi
done
export DOCKER_HOST="unix://$state/docker.sock"
if kill -0 $dockerd 2>/dev/null; then
  timeout 60 sh -c 'docker ps -aq | xargs -r docker rm -fv' >/dev/null 2>&1
  kill -TERM $dockerd
fi
wait $dockerd
kill -TERM $containerd
wait $containerd
clean
rm -rf "$state"
