package lab

import (
	"context"
	"os/exec"
)

// startEtcd starts the API server's store. It writes to disk without waiting for it: a lab does not survive the machine.
func (l *Lab) startEtcd(ctx context.Context) error {
	client, peer := "http://"+loopback(l.ports.etcd), "http://"+loopback(l.ports.etcdPeer)
	l.etcd = &server{
		group: l.group, name: "etcd",
		command: func() *exec.Cmd {
			return exec.Command(l.programs.etcd.Path,
				"--name=lab", "--data-dir="+l.EtcdDir(), "--unsafe-no-fsync",
				"--listen-client-urls="+client, "--advertise-client-urls="+client,
				"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=lab="+peer,
			)
		},
		ready: func(ctx context.Context) error { return getOK(ctx, plainHTTP, client+"/health", "") },
	}
	return l.etcd.start(ctx)
}

// EtcdDir is etcd's data folder: every object of the cluster, in etcd's own files, none of it encrypted.
func (l *Lab) EtcdDir() string { return l.path("etcd") }
