package hour

import (
	"context"
	"time"

	"github.com/greenticai/gtc-csi-provider/provider/secret"
	"github.com/greenticai/gtc-csi-provider/provider/vault"
)

// vaultToken is how long a token of Vault's lasts: what gtc-deployer's wiring says.
const vaultToken = 20 * time.Minute

// counter is a Vault that answers at once and counts what it is asked.
type counter struct {
	requests int
	breaker  vault.Breaker
}

// way is the counter as one class sees it.
type way struct {
	*counter
	secrets int // that a read asks for, each with a request
}

// Login counts a request.
func (w way) Login(context.Context) (vault.Login, error) {
	w.requests++
	return vault.Login{Lasts: vaultToken}, nil
}

// Logout is not needed: the token is a batch token, which is kept nowhere.
func (w way) Logout(context.Context, vault.Token) {}

// Read counts a request for each secret.
func (w way) Read(context.Context, vault.Token, bool) (secret.Value, error) {
	w.requests += w.secrets
	return secret.NewString("a value"), nil
}
