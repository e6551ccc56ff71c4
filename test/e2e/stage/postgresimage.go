package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoPostgres is a machine without PostgreSQL.
var ErrNoPostgres = errors.New("there is no PostgreSQL on this machine, of which the database's image is made: install it (apt-get install postgresql)")

// postgresImage makes an image of this machine's PostgreSQL and of what its programs link, where the engine does not have it yet. Files stand in
// it where they stand on the machine.
func (s *Stage) postgresImage(ctx context.Context) (string, error) {
	programs, files, err := postgresFiles(ctx)
	if err != nil {
		return "", err
	}
	tag, err := digest(files...)
	if err != nil {
		return "", err
	}
	image := "gtc-e2e/postgres:" + tag
	if _, err := s.Cluster.Docker(ctx, "image", "inspect", "--format", "{{.Id}}", image); err == nil {
		return image, nil
	}
	folder := filepath.Join(s.Dir, "images", "postgres")
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	for _, path := range files {
		if err := copyFile(path, filepath.Join(folder, "tree", path)); err != nil {
			return "", fmt.Errorf("copying PostgreSQL: %w", err)
		}
	}
	// initdb asks for the name of the user that it runs as.
	dockerfile := filepath.Join(folder, "Dockerfile")
	text := fmt.Sprintf("FROM scratch\nCOPY tree/ /\nCOPY passwd /etc/passwd\nENV PATH=%s:/bin\n", programs)
	err = errors.Join(os.WriteFile(dockerfile, []byte(text), 0o600),
		os.WriteFile(filepath.Join(folder, "passwd"), []byte("postgres:x:65532:65532::/:/bin/sh\n"), 0o644))
	if err != nil {
		return "", err
	}
	return image, s.Cluster.BuildImage(ctx, image, folder, dockerfile, "")
}

// postgresFiles are the paths of all that a database needs, sorted, and the folder of its programs.
func postgresFiles(ctx context.Context) (programs string, files []string, err error) {
	if programs, err = postgresPrograms(); err != nil {
		return "", nil, err
	}
	libraries, err := postgresFolder(ctx, programs, "--pkglibdir")
	if err != nil {
		return "", nil, err
	}
	share, err := postgresFolder(ctx, programs, "--sharedir")
	if err != nil {
		return "", nil, err
	}
	files = []string{"/bin/sh"} // initdb asks it to start PostgreSQL
	for _, program := range []string{"initdb", "postgres", "psql"} {
		files = append(files, filepath.Join(programs, program))
	}
	for _, library := range []string{"plpgsql.so", "dict_snowball.so"} { // what initdb loads
		files = append(files, filepath.Join(libraries, library))
	}
	linked, err := linkedBy(ctx, files)
	if err != nil {
		return "", nil, err
	}
	files = append(files, linked...)
	const zone = "/usr/share/zoneinfo/UTC" // Vault asks for it; PostgreSQL of another make has it in its own folder
	if _, err := os.Stat(zone); err == nil {
		files = append(files, zone)
	}
	err = filepath.WalkDir(share, func(path string, _ fs.DirEntry, err error) error {
		if info, statErr := os.Stat(path); statErr == nil && info.Mode().IsRegular() { // some are links to what nobody has made
			files = append(files, path)
		}
		return err
	})
	slices.Sort(files)
	return programs, slices.Compact(files), err
}

// postgresPrograms is where Debian or somebody else has put PostgreSQL's programs.
func postgresPrograms() (string, error) {
	places, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		places = append(places, path)
	}
	if len(places) == 0 {
		return "", ErrNoPostgres
	}
	return filepath.Dir(places[len(places)-1]), nil
}

// postgresFolder is one that PostgreSQL was built with.
func postgresFolder(ctx context.Context, programs, which string) (string, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(programs, "pg_config"), which).Output()
	if err != nil {
		return "", fmt.Errorf("asking pg_config %s: %w", which, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// linkedBy are the libraries that programs and libraries load when they start, and what loads them.
func linkedBy(ctx context.Context, files []string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "ldd", files...).Output()
	if err != nil {
		return nil, fmt.Errorf("asking ldd for PostgreSQL's libraries: %w", err)
	}
	var libraries []string
	for line := range strings.Lines(string(out)) {
		// name => /path (0x…), or /path (0x…); a file's own line ends with a colon, and the kernel's library has no path.
		for field := range strings.FieldsSeq(line) {
			if filepath.IsAbs(field) && !strings.HasSuffix(field, ":") {
				libraries = append(libraries, field)
				break
			}
		}
	}
	return libraries, nil
}

// copyFile copies a file, for everybody to read and run.
func copyFile(from, to string) (err error) {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, 0o755))
}
