package integration_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// clinic is where doctor is tried: a namespace for the DaemonSets, and users who may read what the chart's test may, or one thing less.
type clinic struct {
	*world
	kube  *kubernetes.Clientset
	users map[string]string // kubeconfigs by what their user may not read
}

const (
	clinicName = "doctor"
	csiDriver  = "secrets-store.csi.k8s.io"
)

// readable is what the chart's test may read, by API group.
var readable = map[string]string{
	"csidrivers": "storage.k8s.io", "daemonsets": "apps", "validatingadmissionpolicies": "admissionregistration.k8s.io",
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	w := shared(t)
	config := w.RESTConfig()
	config.WarningHandler = rest.NoWarnings{} // of what each row does to the CSIDriver object on purpose
	kube, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	c := &clinic{world: w, kube: kube, users: map[string]string{}}
	_, err = c.kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: clinicName}}, metav1.CreateOptions{})
	require.NoError(t, err)
	for _, forbidden := range []string{"", "csidrivers", "daemonsets", "validatingadmissionpolicies"} {
		c.users[forbidden] = c.user(t, clinicName+"-"+forbidden+"x", forbidden)
	}
	before, err := c.kube.StorageV1().CSIDrivers().Get(t.Context(), csiDriver, metav1.GetOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { c.clear(t, &installation{object: before}) })
	return c
}

func (c *clinic) userWithout(forbidden string) string { return c.users[forbidden] }

// user makes a ServiceAccount that may read all but what is forbidden, waits until the API server knows, and returns its kubeconfig.
func (c *clinic) user(t *testing.T, name, forbidden string) string {
	t.Helper()
	ctx, meta := t.Context(), metav1.ObjectMeta{Name: name}
	role := &rbacv1.ClusterRole{ObjectMeta: meta}
	for resource, group := range readable {
		if resource != forbidden {
			role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: []string{"get", "list"}})
		}
	}
	_, err := c.kube.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = c.kube.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: clinicName}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	accounts := c.kube.CoreV1().ServiceAccounts(clinicName)
	_, err = accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	require.NoError(t, err)
	token, err := accounts.CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	for resource, group := range readable {
		eventually(t, func() bool { return c.may(ctx, name, group, resource) == (resource != forbidden) }, name+" and "+resource)
	}
	return c.kubeconfig(t, name, token.Status.Token)
}

// may asks the API server for a user's right.
func (c *clinic) may(ctx context.Context, name, group, resource string) bool {
	review, err := c.kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:               "system:serviceaccount:" + clinicName + ":" + name,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Group: group, Resource: resource},
	}}, metav1.CreateOptions{})
	return err == nil && review.Status.Allowed
}

func (c *clinic) kubeconfig(t *testing.T, name, token string) string {
	t.Helper()
	ca, err := c.KubernetesCA()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"lab": {Server: c.KubernetesHost(), CertificateAuthorityData: ca}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"lab": {Cluster: "lab", AuthInfo: name}},
		CurrentContext: "lab",
	}, file))
	return file
}

// installation is what doctor looks at; nil is not there.
type installation struct {
	object           *storagev1.CSIDriver
	driver, provider *appsv1.DaemonSet
	policy           *admissionv1.ValidatingAdmissionPolicy
	stale            bool // the provider's status is of an older generation
}

func healthyInstallation() *installation {
	informed, republished, never := true, true, admissionv1.Ignore
	i := &installation{
		object:   &storagev1.CSIDriver{Spec: storagev1.CSIDriverSpec{PodInfoOnMount: &informed, RequiresRepublish: &republished}},
		driver:   daemonSet("driver", "secrets-store", "registry.k8s.io/csi-secrets-store/driver:v1.6.0"),
		provider: daemonSet("provider", "provider", "ghcr.io/greenticai/gtc-csi-provider:dev"),
		policy: &admissionv1.ValidatingAdmissionPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "doctor.greentic.ai", Labels: map[string]string{"app.kubernetes.io/name": "gtc-csi-provider"}},
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				FailurePolicy:    &never,
				MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: nowhere}}},
				Validations:      []admissionv1.Validation{{Expression: "true"}},
			},
		},
	}
	i.object.Name = csiDriver
	i.requests("vault")
	i.arguments("--provider-volume=/providers", "--enable-secret-rotation=true", "--rotation-poll-interval=0s")
	i.provider.Labels = map[string]string{"app.kubernetes.io/name": "gtc-csi-provider"}
	return i
}

// nowhere is a rule for objects that nobody makes.
var nowhere = admissionv1.RuleWithOperations{
	Operations: []admissionv1.OperationType{admissionv1.Create},
	Rule:       admissionv1.Rule{APIGroups: []string{"doctor.greentic.ai"}, APIVersions: []string{"v1"}, Resources: []string{"nothings"}},
}

func daemonSet(name, container, image string) *appsv1.DaemonSet {
	labels := map[string]string{"doctor": name}
	return &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: clinicName},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "sidecar", Image: "sidecar:1"}, {Name: container, Image: image}}},
			},
		},
		Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, NumberReady: 2},
	}
}

// container is the driver's.
func (i *installation) container() *corev1.Container {
	return &i.driver.Spec.Template.Spec.Containers[1]
}

func (i *installation) arguments(args ...string) { i.container().Args = args }

func (i *installation) requests(audiences ...string) {
	hour := int64(3600)
	i.object.Spec.TokenRequests = nil
	for _, audience := range audiences {
		i.object.Spec.TokenRequests = append(i.object.Spec.TokenRequests, storagev1.TokenRequest{Audience: audience, ExpirationSeconds: &hour})
	}
}

// install makes the cluster hold exactly this.
func (c *clinic) install(t *testing.T, i *installation) {
	t.Helper()
	c.clear(t, i)
	ctx := t.Context()
	for _, set := range []*appsv1.DaemonSet{i.driver, i.provider} {
		if set == nil {
			continue
		}
		created, err := c.kube.AppsV1().DaemonSets(clinicName).Create(ctx, set, metav1.CreateOptions{})
		require.NoError(t, err)
		created.Status = set.Status
		created.Status.ObservedGeneration = created.Generation
		if i.stale && set == i.provider {
			created.Status.ObservedGeneration--
		}
		_, err = c.kube.AppsV1().DaemonSets(clinicName).UpdateStatus(ctx, created, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	if i.policy != nil {
		_, err := c.kube.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(ctx, i.policy, metav1.CreateOptions{})
		require.NoError(t, err)
	}
}

// clear removes what an earlier installation left, but for the CSIDriver object, which becomes that of i.
func (c *clinic) clear(t *testing.T, i *installation) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	gone := func(err error) {
		if !apierrors.IsNotFound(err) {
			require.NoError(t, err)
		}
	}
	for _, name := range []string{"driver", "provider"} {
		gone(c.kube.AppsV1().DaemonSets(clinicName).Delete(ctx, name, metav1.DeleteOptions{}))
	}
	gone(c.kube.AdmissionregistrationV1().ValidatingAdmissionPolicies().Delete(ctx, "doctor.greentic.ai", metav1.DeleteOptions{}))
	gone(c.kube.StorageV1().CSIDrivers().Delete(ctx, csiDriver, metav1.DeleteOptions{}))
	if i.object != nil {
		_, err := c.kube.StorageV1().CSIDrivers().Create(ctx, &storagev1.CSIDriver{
			ObjectMeta: metav1.ObjectMeta{Name: csiDriver}, Spec: i.object.Spec,
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
}
