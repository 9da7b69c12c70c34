"""What several tests share: origins, images, processes."""
