def register():
    pass


def check_field(field):
    return []
