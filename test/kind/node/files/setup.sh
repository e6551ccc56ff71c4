# Makes a node of a Debian root with kind's own files in it, as kind's base image does with its own.
set -eu
# Debian's containerd stands elsewhere than kind's unit expects it, and so do the network plugins.
for program in containerd containerd-shim-runc-v2 ctr; do ln -sf "/usr/bin/$program" "/usr/local/bin/$program"; done
mkdir -p /opt/cni /etc/kubernetes/manifests
ln -sfn /usr/lib/cni /opt/cni/bin
ln -sf /lib/systemd/systemd /sbin/init
# No service but those that a node needs, and no kernel log in the journal: it is the machine's.
rm -f /lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service /lib/systemd/system/multi-user.target.wants/* \
  /etc/systemd/system/*.wants/* /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/sockets.target.wants/*udev* \
  /lib/systemd/system/sockets.target.wants/*initctl* /lib/systemd/system/basic.target.wants/*
echo 'ReadKMsg=no' >>/etc/systemd/journald.conf
systemctl enable kubelet.service containerd.service undo-mount-hacks.service refuse-services.service
systemctl mask systemd-binfmt.service
# Every container's specification: kind's hook hides the machine's serial numbers.
ctr oci spec | jq '.hooks.createContainer += [{path: "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' >/etc/containerd/cri-base.json
# The kubelet may lower a container's OOM score below what a machine without CAP_SYS_RESOURCE allows: containerd then takes what it may.
sed -i 's|restrict_oom_score_adj = false|restrict_oom_score_adj = true|' /etc/containerd/config.toml
