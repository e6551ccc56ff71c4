package lab

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// driverName is the CSI driver's name and that of its CSIDriver object.
const driverName = "secrets-store.csi.k8s.io"

// defaultAudience is the audience of pods' tokens unless Options.Audiences says otherwise.
const defaultAudience = "vault"

//go:embed cluster.yaml
var clusterYAML []byte

//go:embed cluster-sync.yaml
var clusterSyncYAML []byte

// install puts into the fresh cluster what an operator's charts would: the driver's definitions, object and rights, and Vault's reviewer.
func (l *Lab) install(ctx context.Context) error {
	text := clusterYAML
	if l.options.SyncSecrets {
		text = append(append([]byte{}, clusterYAML...), append([]byte("\n---\n"), clusterSyncYAML...)...)
	}
	if err := l.ApplyYAML(ctx, text); err != nil {
		return fmt.Errorf("preparing the cluster: %w", err)
	}
	if err := l.installDefinitions(ctx); err != nil {
		return fmt.Errorf("installing the driver's definitions: %w", err)
	}
	if _, err := l.clients.clientset.StorageV1().CSIDrivers().Create(ctx, l.driverObject(), metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("creating the CSIDriver object: %w", err)
	}
	day := int64(24 * 60 * 60)
	review, err := l.clients.clientset.CoreV1().ServiceAccounts("vault").CreateToken(ctx, "vault-reviewer",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("asking for the reviewer's token: %w", err)
	}
	l.reviewerToken = review.Status.Token
	return nil
}

// installDefinitions applies the CRDs of the driver's own module and waits until they are served.
func (l *Lab) installDefinitions(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(l.programs.driver.Assets, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := l.ApplyYAML(ctx, text); err != nil {
			return err
		}
	}
	for _, kind := range []string{classKind, classKind + "PodStatus"} {
		if _, err := l.clients.mapper.resource(ctx, classGroupVersion.WithKind(kind)); err != nil {
			return err
		}
	}
	return nil
}

// ConfigureTokens changes the running lab's CSIDriver object: which audiences pods' tokens have (none: no tokens are sent), and whether they come in a
// request's secrets instead of its attributes. The next publish goes by it.
func (l *Lab) ConfigureTokens(ctx context.Context, audiences []string, inSecrets bool) error {
	drivers := l.clients.clientset.StorageV1().CSIDrivers()
	object, err := drivers.Get(ctx, driverName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the CSIDriver object: %w", err)
	}
	object.Spec.TokenRequests, object.Spec.ServiceAccountTokenInSecrets = tokenSpec(audiences, inSecrets)
	if _, err := drivers.Update(ctx, object, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("changing the CSIDriver object: %w", err)
	}
	return nil
}

// tokenSpec is the part of the CSIDriver object that is about tokens. Where they are put may not be said where there are none.
func tokenSpec(audiences []string, inSecrets bool) ([]storagev1.TokenRequest, *bool) {
	if len(audiences) == 0 {
		return nil, nil
	}
	var requests []storagev1.TokenRequest
	for _, audience := range audiences {
		requests = append(requests, storagev1.TokenRequest{Audience: audience})
	}
	return requests, &inSecrets
}

// driverObject is the CSIDriver object as the driver's chart makes it with rotation on.
func (l *Lab) driverObject() *storagev1.CSIDriver {
	yes, no := true, false
	audiences := l.options.Audiences
	if audiences == nil {
		audiences = []string{defaultAudience}
	}
	requests, inSecrets := tokenSpec(audiences, l.options.TokensInSecrets)
	return &storagev1.CSIDriver{
		ObjectMeta: metav1.ObjectMeta{Name: driverName},
		Spec: storagev1.CSIDriverSpec{
			PodInfoOnMount:               &yes,
			AttachRequired:               &no,
			VolumeLifecycleModes:         []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecycleEphemeral},
			RequiresRepublish:            &yes,
			TokenRequests:                requests,
			ServiceAccountTokenInSecrets: inSecrets,
		},
	}
}

// ReviewerToken is the token of a ServiceAccount bound to system:auth-delegator, good for a day: the token_reviewer_jwt of Vault's kubernetes method.
func (l *Lab) ReviewerToken() string { return l.reviewerToken }
