package lab

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Token asks the API server for a token of the pod's ServiceAccount, bound to the pod, with one audience and a life of an hour: a foreign token for
// another pod's request. An empty audience is the API server's own.
func (l *Lab) Token(ctx context.Context, pod *corev1.Pod, audience string) (string, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if audience != "" {
		request.Spec.Audiences = []string{audience}
	}
	answer, err := l.clients.clientset.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("asking for a token of pod %q: %w", pod.Namespace+"/"+pod.Name, err)
	}
	return answer.Status.Token, nil
}

// Claims are those of a pod's token as the API server would sign it at the time issued, for SignToken: tests change what is to be wrong with them.
func (l *Lab) Claims(ctx context.Context, pod *corev1.Pod, audience string, issued time.Time, life time.Duration) (map[string]any, error) {
	account, err := l.clients.clientset.CoreV1().ServiceAccounts(pod.Namespace).Get(ctx, pod.Spec.ServiceAccountName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the pod's ServiceAccount: %w", err)
	}
	return map[string]any{
		"iss": serviceAccountIssuer, "aud": []string{audience},
		"sub": "system:serviceaccount:" + account.Namespace + ":" + account.Name,
		"iat": issued.Unix(), "nbf": issued.Unix(), "exp": issued.Add(life).Unix(), "jti": rand.Text(),
		"kubernetes.io": map[string]any{
			"namespace":      pod.Namespace,
			"node":           map[string]any{"name": nodeName},
			"pod":            map[string]any{"name": pod.Name, "uid": string(pod.UID)},
			"serviceaccount": map[string]any{"name": account.Name, "uid": string(account.UID)},
		},
	}, nil
}

// SignToken signs claims with the key of the cluster's ServiceAccount tokens (RS256): a token that the API server would not make, such as one that has
// expired, and that nevertheless verifies.
func (l *Lab) SignToken(claims map[string]any) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&l.signingKey.PublicKey)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	id := sha256.Sum256(der) // how the API server names its keys
	signed, err := signingInput(map[string]any{"alg": "RS256", "kid": base64.RawURLEncoding.EncodeToString(id[:])}, claims)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, l.signingKey, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// UnsignedToken is a token with these claims and the algorithm "none".
func UnsignedToken(claims map[string]any) (string, error) {
	text, err := signingInput(map[string]any{"alg": "none"}, claims)
	return text + ".", err
}

func signingInput(header, claims map[string]any) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encoding a token: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body), nil
}

// TokensJSON is the text that a kubelet sends for one token: the value of csi.storage.k8s.io/serviceAccount.tokens, as an attribute or as a secret.
func TokensJSON(audience, token string, expires time.Time) (string, error) {
	text, err := json.Marshal(map[string]authenticationv1.TokenRequestStatus{
		audience: {Token: token, ExpirationTimestamp: metav1.NewTime(expires)},
	})
	if err != nil {
		return "", fmt.Errorf("encoding a pod's tokens: %w", err)
	}
	return string(text), nil
}

// WithTokens replaces the tokens of a request, wherever the kubelet has put them, by text (TokensJSON) in its attributes.
func WithTokens(text string) Change {
	return func(r *csi.NodePublishVolumeRequest) {
		delete(r.Secrets, tokensKey)
		r.VolumeContext[tokensKey] = text
	}
}

// WithSecretTokens replaces the tokens of a request, wherever the kubelet has put them, by text in its secrets.
func WithSecretTokens(text string) Change {
	return func(r *csi.NodePublishVolumeRequest) {
		delete(r.VolumeContext, tokensKey)
		r.Secrets[tokensKey] = text
	}
}

// WithAttribute sets an attribute of a request over what the kubelet has put there.
func WithAttribute(key, value string) Change {
	return func(r *csi.NodePublishVolumeRequest) { r.VolumeContext[key] = value }
}

// WithoutTokens takes the tokens out of a request.
func WithoutTokens() Change {
	return func(r *csi.NodePublishVolumeRequest) {
		delete(r.VolumeContext, tokensKey)
		delete(r.Secrets, tokensKey)
	}
}
