package stage

import (
	"context"
	"errors"
	"net/http"
	"strings"

	vaultapi "github.com/hashicorp/vault/api"
)

// Forget takes an environment's secrets, roles and policies out of Vault. mount is its auth mount.
func (v *Vault) Forget(ctx context.Context, environment, mount string) error {
	client, err := v.Client(ctx)
	if err != nil {
		return err
	}
	prefix := "gtc." + environment + "."
	for _, listed := range []string{"auth/" + mount + "/role", "sys/policies/acl"} {
		names, err := list(ctx, client, listed)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			if _, err := client.Logical().DeleteWithContext(ctx, listed+"/"+name); err != nil {
				return err
			}
		}
	}
	return forget(ctx, client, "secret/metadata/greentic/"+environment)
}

// forget deletes every secret below a folder of the KV mount, with all its versions.
func forget(ctx context.Context, client *vaultapi.Client, folder string) error {
	names, err := list(ctx, client, folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := folder + "/" + strings.TrimSuffix(name, "/")
		if strings.HasSuffix(name, "/") {
			err = forget(ctx, client, path)
		} else {
			_, err = client.Logical().DeleteWithContext(ctx, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list is what Vault has at path; where there is nothing, or no such mount, the list is empty.
func list(ctx context.Context, client *vaultapi.Client, path string) ([]string, error) {
	answer, err := client.Logical().ListWithContext(ctx, path)
	var refused *vaultapi.ResponseError
	switch {
	case errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case answer == nil:
		return nil, nil
	}
	keys, _ := answer.Data["keys"].([]any)
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i], _ = key.(string)
	}
	return names, nil
}
