//go:build e2e

package e2e_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/greenticai/gtc-csi-provider/provider/badge"
)

// mayEdit lets a user do in a namespace what Kubernetes' own role "edit" allows.
func mayEdit(namespace, user string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "edit-" + user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}
}

// mayUse lets a user use a badge.
func mayUse(b badge.Badge, user string) []runtime.Object {
	meta := metav1.ObjectMeta{Namespace: b.Namespace, Name: "use-" + b.ServiceAccount}
	return []runtime.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{b.ServiceAccount}, Verbs: []string{"use"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
		},
	}
}

// as is the API as a user sees it, when the user's role in the namespace has come into force.
func (s *story) as(t *testing.T, namespace, user string) kubernetes.Interface {
	t.Helper()
	config := rest.CopyConfig(s.Cluster.RestConfig())
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	s.eventually(t, "the role of "+user, func(ctx context.Context) error {
		_, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 1})
		return err
	})
	return client
}

// ways are those in which somebody runs a pod under its ServiceAccount, or gets a token of it. Nothing stays.
func ways(b badge.Badge, pod *corev1.Pod) map[string]func(context.Context, kubernetes.Interface) error {
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	labels := map[string]string{"app": pod.Name}
	meta := metav1.ObjectMeta{Namespace: b.Namespace, Name: pod.Name}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod.Spec}
	return map[string]func(context.Context, kubernetes.Interface) error{
		"pod": func(ctx context.Context, client kubernetes.Interface) error {
			_, err := client.CoreV1().Pods(b.Namespace).Create(ctx, pod, dry)
			return err
		},
		"Deployment": func(ctx context.Context, client kubernetes.Interface) error {
			_, err := client.AppsV1().Deployments(b.Namespace).Create(ctx, &appsv1.Deployment{
				ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template},
			}, dry)
			return err
		},
		"CronJob": func(ctx context.Context, client kubernetes.Interface) error {
			job := template.DeepCopy()
			job.Spec.RestartPolicy = corev1.RestartPolicyNever
			_, err := client.BatchV1().CronJobs(b.Namespace).Create(ctx, &batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{
				Schedule: "0 0 1 1 *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: *job}},
			}}, dry)
			return err
		},
		"token request": func(ctx context.Context, client kubernetes.Interface) error {
			_, err := client.CoreV1().ServiceAccounts(b.Namespace).CreateToken(ctx, b.ServiceAccount,
				&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"vault"}}}, metav1.CreateOptions{})
			return err
		},
	}
}
