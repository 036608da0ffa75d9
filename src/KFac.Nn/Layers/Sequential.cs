namespace KFac.Nn;

/// <summary>Modules one after the other.</summary>
public sealed class Sequential : Module
{
    private readonly Module[] _modules;

    /// <summary>Makes the chain; an empty one passes its input on.</summary>
    public Sequential(params ReadOnlySpan<Module> modules)
    {
        foreach (Module module in modules)
        {
            ArgumentNullException.ThrowIfNull(module, nameof(modules));
        }

        _modules = modules.ToArray();
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        Variable value = input;
        foreach (Module module in _modules)
        {
            value = module.Forward(tape, value);
        }

        return value;
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        foreach (Module module in _modules)
        {
            module.Register(registry);
        }
    }
}
