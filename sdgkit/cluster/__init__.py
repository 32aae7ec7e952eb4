"""The same run on a cluster: Ray starts the workers, and each works on a part of the seeds."""

from sdgkit.cluster.ray_cluster import RayCluster

__all__ = ["RayCluster"]
