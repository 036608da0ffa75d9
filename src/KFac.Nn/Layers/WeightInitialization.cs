namespace KFac.Nn;

/// <summary>How the weights of a linear layer start; biases start at zero.</summary>
public enum WeightInitialization
{
    /// <summary>Normal with variance 2/P_in, for ReLU networks (He et al. 2015).</summary>
    He,

    /// <summary>Uniform on ±√(6/(P_in + P_out)), for tanh and linear networks (Glorot and Bengio 2010).</summary>
    Glorot,

    /// <summary>15 standard normal weights per output, all others zero, for deep autoencoders (Martens 2010).</summary>
    Sparse,

    /// <summary>All zero, for what starts as nothing: last layers of residual branches (Zhang et al. 2019).</summary>
    Zero,
}
