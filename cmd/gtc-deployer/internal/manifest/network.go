package manifest

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/greenticai/gtc-csi-provider/cmd/gtc-deployer/internal/environment"
)

// inside is what a worker with secrets from Vault does not reach by address: private networks, where Vault and the rest of the cluster are,
// and the cloud's metadata. It needs none of it. NetworkPolicies add up, so whoever has a registry or a database there adds one more.
var inside = []networkingv1.IPBlock{
	{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}},
	{CIDR: "::/0", Except: []string{"fc00::/7", "fe80::/10"}},
}

// networkPolicies renders upstream's: nothing goes in or out of a namespace but names, the router's requests to the workers, and what a
// worker pulls its bundle over.
func (r *renderer) networkPolicies(namespace string) {
	everybody := metav1.LabelSelector{}
	r.policy(namespace, "gtc-default-deny", everybody, networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
	})
	r.policy(namespace, "gtc-allow-dns", everybody, networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
		Egress:      []networkingv1.NetworkPolicyEgressRule{{Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53)}}},
	})
	r.policy(namespace, "gtc-allow-workers", metav1.LabelSelector{MatchLabels: map[string]string{labelComponent: componentWorker}},
		networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From:  []networkingv1.NetworkPolicyPeer{r.router()},
				Ports: []networkingv1.NetworkPolicyPort{port(corev1.ProtocolTCP, servePort)},
			}},
		})
	r.policy(namespace, "gtc-allow-worker-egress", metav1.LabelSelector{MatchLabels: r.labels(componentWorker)},
		networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
			Egress:      r.egress(namespace),
		})
}

func (r *renderer) policy(namespace, name string, pods metav1.LabelSelector, spec networkingv1.NetworkPolicySpec) {
	spec.PodSelector = pods
	r.add(networkingv1.NetworkPolicy{TypeMeta: networkPolicyType, ObjectMeta: r.meta(namespace, name, componentNetworkPolicy), Spec: spec})
}

// router is upstream's router. It runs where upstream's deployer puts it, which is not the team's namespace.
func (r *renderer) router() networkingv1.NetworkPolicyPeer {
	if r.env.Backend != environment.Vault {
		return networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{labelComponent: componentRouter}}}
	}
	return networkingv1.NetworkPolicyPeer{
		PodSelector: &metav1.LabelSelector{MatchLabels: r.labels(componentRouter)},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{
			corev1.LabelMetadataName: upstreamNamespace(r.env.ID),
		}},
	}
}

// egress opens the way out where a worker of the namespace pulls its bundle at boot, and closes it otherwise. The policy is there in both
// cases, so that applying it closes what was open.
func (r *renderer) egress(namespace string) []networkingv1.NetworkPolicyEgressRule {
	for _, w := range r.env.Workers {
		if w.SourceURI == "" || r.namespaceOf(w) != namespace {
			continue
		}
		if r.env.Backend != environment.Vault {
			return []networkingv1.NetworkPolicyEgressRule{{}}
		}
		peers := make([]networkingv1.NetworkPolicyPeer, len(inside))
		for i := range inside {
			peers[i].IPBlock = &inside[i]
		}
		return []networkingv1.NetworkPolicyEgressRule{{To: peers}}
	}
	return nil
}

func port(protocol corev1.Protocol, number int32) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Protocol: ptr(protocol), Port: ptr(intstr.FromInt32(number))}
}
