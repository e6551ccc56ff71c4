package doctor

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Values are values of the chart secrets-store-csi-driver. Zero fields are left as they are.
type Values struct {
	TokenRequests        []TokenRequest `yaml:"tokenRequests,flow,omitempty"` // all of them: the chart replaces the list
	EnableSecretRotation bool           `yaml:"enableSecretRotation,omitempty"`
	RotationPollInterval string         `yaml:"rotationPollInterval,omitempty"`
}

// TokenRequest is one entry of a CSIDriver object's tokenRequests.
type TokenRequest struct {
	Audience          string `yaml:"audience"`
	ExpirationSeconds *int64 `yaml:"expirationSeconds,omitempty"`
}

// YAML is a values file; "" if there is nothing to set.
func (v Values) YAML() (string, error) {
	if v.TokenRequests == nil && !v.EnableSecretRotation && v.RotationPollInterval == "" {
		return "", nil
	}
	text, err := yaml.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("writing the values: %w", err)
	}
	return string(text), nil
}
