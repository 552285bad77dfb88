package demo

import "time"

// scene changes what the table is about.
func (d *director) scene(title string, a *act) {
	d.watch.update(func() { d.title, d.act = title, a })
}

func (d *director) mark(node, what string) {
	d.watch.update(func() { d.marks[node] = what })
}

// show draws the table; the load's samples call it.
func (d *director) show() {
	now := d.watch.now(time.Second)
	d.watch.mu.Lock()
	v := d.view(now)
	d.watch.mu.Unlock()
	d.screen.show(v)
}

// view needs the watch's lock: the scene may change.
func (d *director) view(now moment) View {
	r, past := now.report, now.past
	seconds := max(now.seconds(), 0.001)
	v := View{
		Address: r.Target, Title: d.title, Elapsed: time.Since(d.screen.begin),
		Answered: float64(r.New.OK-past.New.OK) / seconds,
		Failed:   float64(r.New.Failed-past.New.Failed) / seconds,
		Open:     r.Connections.Kept,
	}
	shares := r.Shares(past)
	for _, node := range d.nodes {
		v.Rows = append(v.Rows, Row{
			Node: node, State: now.states[node], Mark: d.marks[node], Share: shares[node],
			New: float64(r.New.Nodes[node]-past.New.Nodes[node]) / seconds, Open: r.Connections.Nodes[node],
		})
	}
	for _, f := range d.result.Faults {
		v.Broken += f.Connections.Broken
		v.BrokenOther += f.Connections.BrokenOther
	}
	if d.act != nil && r.ElapsedMS > d.act.begin.ElapsedMS {
		v.OutageMS, _ = r.OutageMS(d.act.at-margin, r.ElapsedMS+1)
		v.Requests = r.New.Failed - d.act.begin.New.Failed
		c := d.act.connections(r)
		v.Broken += c.Broken
		v.BrokenOther += c.BrokenOther
	}
	return v
}
