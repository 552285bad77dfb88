package journal

import (
	"context"
	"fmt"
)

// Changes answers the newest entries of kind "resource" of a module, at most limit of
// each resource, in ascending order of ID. An empty name means all resources; which
// one an entry is about stands in Data["resource"].
func (j *Journal) Changes(ctx context.Context, module, resource string, limit int) ([]Entry, error) {
	_ = j.Flush() // as Query
	rows, err := j.db.QueryContext(ctx, `SELECT `+columns+` FROM (
		SELECT *, row_number() OVER (PARTITION BY json_extract(data, '$.resource') ORDER BY id DESC) AS nth
		FROM entries WHERE module = ?1 AND kind = 'resource' AND (?2 = '' OR json_extract(data, '$.resource') = ?2)
	) WHERE nth <= ?3 ORDER BY id`, module, resource, limit)
	if err != nil {
		return nil, fmt.Errorf("read the journal %s: %w", j.path, err)
	}
	return j.all(rows)
}
