package vast

import (
	"context"
	"net/url"
)

// VolumeID names a volume.
type VolumeID int64

// Volume is disk space on one machine. It costs from its creation until it is
// deleted, whether an instance uses it or not.
type Volume struct {
	ID             VolumeID
	MachineID      MachineID
	Name           string
	Status         string // available, attached
	DiskGB         float64
	DiskPerGBMonth float64 // dollars; a month is 720 hours
	StartDate      float64 // unix seconds
	Geolocation    string
}

// PerHour is what the volume costs, in dollars per hour.
func (v Volume) PerHour() float64 { return v.DiskPerGBMonth * v.DiskGB / 720 }

// VolumeService lists volumes.
type VolumeService service

type volumeRow struct {
	ID          id     `json:"id"`
	MachineID   id     `json:"machine_id"`
	Label       text   `json:"label"`
	Status      text   `json:"status"`
	DiskSpace   number `json:"disk_space"`
	StorageCost number `json:"storage_cost"`
	StartDate   number `json:"start_date"`
	Geolocation text   `json:"geolocation"`
}

// List returns all volumes of the account. The API does not page them.
func (s *VolumeService) List(ctx context.Context) ([]Volume, error) {
	var out struct {
		Volumes *list[volumeRow] `json:"volumes"`
	}
	query := url.Values{"owner": {"me"}, "type": {"all_volume"}}
	if err := s.c.do(ctx, opListVolumes, request{query: query}, &out); err != nil {
		return nil, err
	}
	if out.Volumes == nil {
		return nil, garbled(opListVolumes, "no volumes in the answer")
	}
	all := []Volume{}
	for _, r := range *out.Volumes {
		all = append(all, Volume{
			ID: VolumeID(r.ID), MachineID: MachineID(r.MachineID), Name: r.Label.trimmed(), Status: r.Status.trimmed(),
			DiskGB: r.DiskSpace.value, DiskPerGBMonth: r.StorageCost.value, StartDate: r.StartDate.value, Geolocation: r.Geolocation.trimmed(),
		})
	}
	return all, nil
}
