package provider

import (
	"github.com/greenticai/gtc-csi-provider/provider/logkey"
	"github.com/greenticai/gtc-csi-provider/provider/podwatch"
)

// PodEnded is told that a pod has ended, by whoever knows: what is remembered of it is wiped, and what Vault made for it alone is
// revoked. It waits for neither Vault nor the pod's mounts.
func (s *Server) PodEnded(pod podwatch.Pod) {
	sessions, leased := s.sessions.End(pod.UID), s.leases.End(pod.UID)
	if sessions == 0 && leased == 0 {
		return // most pods have no secrets of ours
	}
	s.metrics.ended.Inc()
	s.log.Info("pod has ended, what it had is forgotten and revoked", logkey.Pod, pod.Namespace+"/"+pod.Name, logkey.PodUID, pod.UID)
}

// PodsWatched is told whether pods' ends are heard of.
func (s *Server) PodsWatched(up bool) {
	value := 0.0
	if up {
		value = 1
	}
	s.metrics.watching.Set(value)
}
