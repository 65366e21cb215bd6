package client

import "net/url"

// CredentialsFor returns the credentials of the account whose server is reached by
// a scheme, coaps or coaps+tcp, at a host: for what else that host serves, such as firmware packages.
func (c *Client) CredentialsFor(scheme, host string) (Credentials, bool) {
	for _, s := range readAccounts(c.config.Tree) {
		if u, err := url.Parse(s.server.URI); err == nil && u.Scheme == scheme && u.Hostname() == host {
			return s.server.Credentials, true
		}
	}
	return Credentials{}, false
}
