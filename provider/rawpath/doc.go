// Package rawpath is the grammar of Vault paths besides references: dynamic credentials, certificates, other engines.
//
// A path is segments between slashes, each of letters, digits and . _ - ~ @ : =, and nothing that is escaped, walks or ends the path:
// what Vault would read in two ways is refused, so that the path that was decided upon is the path that Vault sees. One "?" may begin
// fields to send with it. Vault's own paths (sys, auth, cubbyhole, identity) are nobody's.
//
// The operator grants paths by patterns. A segment of a pattern is a literal, "*" for any one segment, or a part of the scope that the
// pod has proven:
//
//	{env} {tenant} {team}   the scope's parts; {team} of a whole tenant is "_"
//	{role}                  the scope's own name, such as gtc.prod.acme.sales
//
// Each stands for a whole segment. "{tenant}-{team}" would be the same for the tenant "a-b" with the team "c" and for the tenant "a" with
// the team "b-c"; where one segment has to hold the whole scope, {role} does, and no two scopes share one.
package rawpath
