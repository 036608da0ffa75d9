namespace KFac.Nn;

/// <summary>A part of a network: a function of one variable, with or without parameters.</summary>
/// <remarks>Modules are built first and get their parameters when a <see cref="Network"/> takes them; a module with
/// parameters belongs to one network. It may appear several times in it: its gradients then add up.</remarks>
public abstract class Module
{
    /// <summary>Records the module's operations on the tape and returns its output.</summary>
    /// <exception cref="ArgumentException">The input's shape does not fit; the message names the layer.</exception>
    public abstract Variable Forward(Tape tape, Variable input);

    /// <summary>Shows the module's parameters to the registry of the network that takes it; containers pass it on to
    /// every module inside. A second call with the same registry changes nothing.</summary>
    public virtual void Register(ParameterRegistry registry)
    {
    }
}
